"""--format templates: the language, docker's functions, headings, mistakes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rootless.cli.output import Row
from rootless.cli.template import Template, render_rows
from rootless.errors import UsageError

pytestmark = pytest.mark.once

DATA: dict[str, Any] = {
    "Id": "abc",
    "Names": "web",
    "State": {"Status": "running", "Pid": 5, "Health": None},
    "Labels": {"b.c": "2", "a": "1"},
    "Env": ["A=1", "B=2"],
    "Size": 1.0,
    "Ready": True,
    "Nothing": [],
    "Config": {"Cmd": None, "Labels": None},
}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("plain", "plain"),
        ("{{.Names}} {{.State.Status}}", "web running"),
        ("{{ .Names }}", "web"),
        ("{{.ID}}", "abc"),
        ("{{json .State}}", '{"Status":"running","Pid":5,"Health":null}'),
        ("{{.Env | json}}", '["A=1","B=2"]'),
        ("{{json (index .Env 0)}}", '"A=1"'),
        ("{{.Labels}} {{.Env}}", "map[a:1 b.c:2] [A=1 B=2]"),
        ("{{.Size}} {{.Ready}} {{.State.Pid}} {{.State.Health}}", "1 true 5 <nil>"),
        ("{{.Config.Cmd}} {{.Config.Labels}} {{json .Config.Cmd}}", "[] map[] null"),
        ("{{range .Env}}[{{.}}]{{end}}", "[A=1][B=2]"),
        ("{{range $e := .Env}}{{$e}} {{$.Names}};{{end}}", "A=1 web;B=2 web;"),
        ("{{range $i, $e := .Env}}{{$i}}{{$e}}{{end}}", "0A=11B=2"),
        ("{{range $k, $v := .Labels}}{{$k}}={{$v}},{{end}}", "a=1,b.c=2,"),
        ("{{range .Nothing}}x{{else}}none{{end}}", "none"),
        ('{{range .Env}}{{if eq . "B=2"}}{{break}}{{end}}{{.}}{{end}}', "A=1"),
        ('{{range .Env}}{{if eq . "A=1"}}{{continue}}{{end}}{{.}}{{end}}', "B=2"),
        ("{{if .Ready}}yes{{end}}", "yes"),
        ("{{if .Nothing}}yes{{else}}no{{end}}", "no"),
        ("{{if .Nothing}}a{{else if .Ready}}b{{else}}c{{end}}", "b"),
        ("{{if .Missing}}a{{else}}b{{end}}", "b"),
        ("{{if and .Ready .Names}}{{or .Nothing .Names}}{{end}}", "web"),
        ("{{or .Ready .Missing}}{{and .Nothing .Missing}}", "true[]"),
        ("{{not .Ready}} {{not .Nothing}}", "false true"),
        ("{{with .State}}{{.Pid}} {{$.Names}}{{end}}", "5 web"),
        ("{{with .State.Health}}x{{else}}none{{end}}", "none"),
        ("{{with $x := .Names}}{{$x}}{{end}}", "web"),
        ("{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}", "2"),
        ("{{$x := 1}}{{if true}}{{$x := 2}}{{end}}{{$x}}", "1"),
        ('{{index .Labels "b.c"}}|{{index .Labels "none"}}|{{.Labels.none}}', "2||<no value>"),
        ("{{index .Env 1}} {{len .Env}} {{len .Names}}", "B=2 2 3"),
        ("{{(index .Env 0) | len}}", "3"),
        ('{{slice "abcdef" 1 3}} {{slice .Names 1}}', "bc eb"),
        ('{{eq 1 1}} {{eq .Names "a" "web"}} {{ne 1 2}}', "true true true"),
        ("{{lt 1 2}} {{le 2 2}} {{gt 1 2}} {{ge 1 2}}", "true true false false"),
        ('{{join .Env ", "}}', "A=1, B=2"),
        ('{{split "a,b" ","}} {{upper .Names}} {{lower "AB"}} {{title "a b"}}', "[a b] WEB ab A B"),
        ('{{truncate .Names 2}}{{pad .Names 1 2}}|{{pad "" 1 1}}|', "we web  ||"),
        ('{{.Names | upper | printf "%-6s|%5d|" 3}}', "%!-6s"),
        ('{{printf "%-5s|%5s|%05d|%x|%q|%v|%t|%%" .Names "a" 42 255 "b" .Env true}}',
         'web  |    a|00042|ff|"b"|[A=1 B=2]|true|%'),
        ('{{printf "%.2f %d %s" 1.5}}', "1.50 %!d(MISSING) %!s(MISSING)"),
        ("""{{html "<a b='1'>&"}} {{js "a'b<=&\\n"}} {{urlquery "a b&c/é~"}}""",
         r"&lt;a b=&#39;1&#39;&gt;&amp; a\'b\u003C\u003D\u0026\u000A a+b%26c%2F%C3%A9~"),
        ('{{printf "%T %T %T" .Names .Size .Ready}} {{printf "%T %T" .Env nil}} {{printf "%8T" 1}}',
         "string float64 bool []string <nil>      int"),
        ('{{print 1 2 "x" 3}}{{println 1 "a"}}', "1 2x31 a\n"),
        ("{{/* no }} word */}}a", "a"),
        ('a  {{- "x" -}}  b', "axb"),
        ("a {{-3}}", "a -3"),
        ("{{`raw \\n`}}|{{\"q\\\"\\n\"}}|{{'c'}}", 'raw \\n|q"\n|99'),
        ('{{"}}"}}', "}}"),
        ("a\\tb\\n", "a\tb\n"),
        ("{{true}} {{nil}} {{0x10}} {{1.5}}", "true <no value> 16 1.5"),
        ("{{range 3}}{{.}}{{end}}", "012"),
        ("é {{.Names}}", "é web"),
    ],
)  # fmt: skip
def test_language(source: str, expected: str) -> None:
    if expected == "%!-6s":  # the piped value is the last argument, as in Go
        expected = "3     |%!d(string=WEB)|"
    assert Template(source).render(DATA) == expected


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{", "unclosed action"),
        ("{{.Names", "unclosed action"),
        ("{{/* x", "unclosed comment"),
        ('{{"x}}', "unterminated quoted string"),
        ("{{if}}{{end}}", "an action without a value"),
        ("{{if .A}}", "{{end}} is missing after {{if}}"),
        ("{{range .A}}{{else}}{{else}}{{end}}", "{{end}} is missing after {{range}}"),
        ("{{end}}", "unexpected {{end}}"),
        ("{{else}}", "unexpected {{else}}"),
        ("{{nothing .A}}", "function 'nothing' is not defined"),
        ("{{(.A}}", "unclosed left parenthesis"),
        ("{{.A)}}", "unexpected ')'"),
        ("{{.A | }}", "an action without a value"),
        ("{{$x}}", "undefined variable $x"),
        ("{{.Nope}}", "there is no field 'Nope'"),
        ("{{.Names.X}}", "there is no field 'X' in text"),
        ("{{.Names 1}}", "a value was given arguments"),
        ('{{eq 1 "a"}}', "error calling eq: incompatible types"),
        ("{{index .Env 9}}", "error calling index: index out of range: 9"),
        ("{{index .Env true}}", "error calling index: cannot index with true"),
        ("{{len 3}}", "error calling len"),
        ("{{range .Names}}{{end}}", "error calling range: range cannot go over web"),
        ("{{break}}", "break or continue outside range"),
        ("{{#}}", "unexpected '#'"),
        ("{{1.2.3}}", "bad number '1.2.3'"),
    ],
)
def test_mistakes_are_named(source: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Template(source).render(DATA)
    assert caught.value.message.startswith(f"template: {message}")


PIECES = ["{{", "}}", "if ", "else ", "end", "range ", "with ", ".", ".Env", ".Names", "$x", ":=",
          "=", "|", "(", ")", '"', "`", "-", " ", "1", "0x", "index ", "printf ", "%d", "/*", "*/",
          "and ", "eq ", "json ", "break", ",", "\\"]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_nonsense_is_refused_or_rendered(source: str) -> None:
    try:
        Template(source).render(DATA)
    except UsageError:
        pass


def row(name: str, label: str) -> Row:
    made = Row({"Names": name, "Status": "Up"})
    made.methods = {"Label": lambda key: label if key == "com.a-b" else ""}
    return made


def test_a_line_for_each_row() -> None:
    rows = [row("one", "x"), row("two", "")]
    assert render_rows('{{.Names}}:{{.Label "com.a-b"}}', rows, {}) == "one:x\ntwo:\n"


def test_a_template_of_several_lines_makes_a_table_of_several() -> None:
    """As with docker; a line feed of a value is no line."""
    row: dict[str, Any] = {"Names": "web", "Labels": "a=\n"}
    for source in (r"table {{.Names}}\n- {{.Labels}}", "table {{println .Names}}- {{.Labels}}"):
        shown = render_rows(source, [row], {"Names": "NAMES", "Labels": "LABELS"})
        assert shown == "NAMES\n- LABELS\nweb\n- a=\\n\n"


def test_a_table_has_headings_and_columns() -> None:
    rows = [row("one", "x"), row("a-longer-name", "y")]
    headings = {"Names": "NAMES", "Status": "STATUS"}
    source = 'table {{.Names}}\\t{{upper .Status}}\\t{{.Label "com.a-b"}}'
    assert render_rows(source, rows, headings).splitlines() == [
        "NAMES           STATUS    A B",
        "one             UP        x",
        "a-longer-name   UP        y",
    ]


def test_methods_are_no_part_of_the_json() -> None:
    assert render_rows("{{json .}}", [row("one", "x")], {}) == '{"Names":"one","Status":"Up"}\n'
