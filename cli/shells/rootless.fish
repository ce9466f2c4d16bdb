# fish completion for rootless.
#   rootless completion fish > ~/.config/fish/completions/rootless.fish

function __rootless_complete
    set -l words (commandline -opc) (commandline -ct)
    for line in ($words[1] __complete -- $words[2..-1] 2>/dev/null)
        if test "$line" = ":files"
            __fish_complete_path (commandline -ct)
        else
            echo $line
        end
    end
end

complete -c rootless -f -a '(__rootless_complete)'
