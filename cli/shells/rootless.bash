# bash completion for rootless.
#   rootless completion bash > ~/.local/share/bash-completion/completions/rootless

_rootless() {
    # Split as the shell does, not at : and = as readline does: names of images have them.
    local line="${COMP_LINE:0:COMP_POINT}" cur words=() prefix candidate
    read -r -a words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    cur="${words[${#words[@]}-1]}"
    prefix="${cur%"${cur##*[:=]}"}"
    COMPREPLY=()
    while IFS=$'\t' read -r candidate _; do
        if [[ $candidate == ":files" ]]; then
            compopt -o default 2> /dev/null
        else
            [[ $candidate == *= ]] && compopt -o nospace 2> /dev/null
            # Readline replaces only what stands behind the last : or =.
            [[ $COMP_WORDBREAKS == *[:=]* ]] && candidate="${candidate#"$prefix"}"
            COMPREPLY+=("$candidate")
        fi
    done < <("${words[0]}" __complete -- "${words[@]:1}" 2> /dev/null)
}

complete -F _rootless rootless
