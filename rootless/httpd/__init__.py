"""Bounded HTTP/1.1 (RFC 9110, 9112) and connections, for services that know what is asked."""
