"""What a build takes from elsewhere: files of the web, git repositories, and archives unpacked."""
