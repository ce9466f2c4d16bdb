"""The text of a Dockerfile -> instructions -> stages. Knows no engine, no image and no disk.

    from rootless.build.dockerfile.parsing import parse, syntax
    from rootless.build.dockerfile.scope import Arguments
    from rootless.build.dockerfile.stages import plan

    dockerfile = parse(data, "Dockerfile")          # typed instructions; DockerfileError
    arguments = Arguments({"A": "1"}, target="linux/amd64", build="linux/amd64")
    file = plan(dockerfile, arguments)              # stages, what each needs, no circles
    for stage in file.needed(file.target("web")):   # what has to be built, in a possible order
        scope = file.scope(env)                     # on an image; on a stage: its scope.child(env)
        for instruction in stage.instructions:      # with what ONBUILD of the base stage adds first
            done = scope.apply(instruction)         # expanded; ARG and ENV change the scope
            scope.run_environment()                 # of a RUN: arguments, proxies, ENV
            scope.declared()                        # of its key: arguments, without proxies

`tree(syntax(data, name))` of `tree.py` is the printed tree, `check(syntax, ...)` of `check.py` are
docker's build checks, `outline.py` has a file's targets, and arguments, secrets and caches of one.
`stages.trigger` reads what an image's configuration has of ONBUILD, `ports.ports` an EXPOSE,
`directives.refuse_frontend` whose language it is, `naming.is_sensitive` whether a name is a
secret's. What is wrong is a DockerfileError (errors.py) with `file`, `line` and an `excerpt()` of
the line with a caret below it.

From the text up: words, expansion (with patterns) and heredocs take texts apart; parsing makes
nodes; typed (with flags, mounts) makes the model (plain values) of them; scope and stages say what
it means for one set of arguments; check (with rules) says what is not as it should be.
"""
