#compdef rootless
# zsh completion for rootless.
#   rootless completion zsh > ~/.zfunc/_rootless      (with ~/.zfunc in $fpath before compinit)

_rootless() {
    local line value told
    local -a found bare
    local files=0
    while IFS= read -r line; do
        if [[ $line == ":files" ]]; then
            files=1
            continue
        fi
        value="${line%%$'\t'*}"
        told="${line#*$'\t'}"
        if [[ $value == *= ]]; then
            bare+=("$value")
        else
            found+=("${value//:/\\:}${told:+:$told}")
        fi
    done < <("${words[1]}" __complete -- "${(@)words[2,CURRENT]}" 2> /dev/null)
    (( ${#found} )) && _describe 'rootless' found
    (( ${#bare} )) && compadd -S '' -a bare
    (( files )) && _files
}

if [[ $funcstack[1] == _rootless ]]; then
    _rootless "$@"
else
    compdef _rootless rootless
fi
