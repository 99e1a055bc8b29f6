use serde_json::json;

use super::*;

fn filled(template: &str) -> Result<String, String> {
    let value = json!({
        "ID": "abc", "Count": 3, "Up": true, "None": null, "List": ["a", "b"],
        "State": { "Health": { "Status": "healthy" } },
        "Labels": { "z.y": "1", "b": "x" }
    });
    let template = Template::parse(template).map_err(|refusal| refusal.to_string())?;
    template
        .render(&value, &json!({ "x": "1" }))
        .map_err(|refusal| refusal.to_string())
}

#[test]
fn fields_and_functions_are_filled_in() {
    for (template, expected) in [
        ("", ""),
        ("text", "text"),
        ("{{.ID}}", "abc"),
        ("{{ .ID }}\\t{{.Count}}\\n", "abc\t3\n"),
        ("{{.State.Health.Status}}", "healthy"),
        ("{{.Up}} {{.None}}", "true <no value>"),
        ("{{.List}} {{.Labels}}", "[a b] map[b:x z.y:1]"),
        ("{{json .State}}", r#"{"Health":{"Status":"healthy"}}"#),
        ("{{.List | json}}", r#"["a","b"]"#),
        ("{{println .ID .Count}}", "abc 3\n"),
        ("{{index .Labels \"z.y\"}}{{index .Labels \"q\"}}", "1"),
        ("{{index .List 1}}", "b"),
        ("{{join .List \", \"}}", "a, b"),
        (
            "{{len .List}} {{upper .ID}} {{.ID | upper | lower}}",
            "2 ABC abc",
        ),
        ("{{\"}}\"}}{{`\\t`}}{{\"\\t\"}}", "}}\\t\t"),
        ("a {{- .ID -}} b{{/* said */}}", "aabcb"),
    ] {
        assert_eq!(filled(template), Ok(expected.to_owned()), "{template}");
    }
}

#[test]
fn what_is_not_there_is_refused_by_name() {
    for (template, words) in [
        ("{{.ID", "has no }} at its end"),
        ("{{\"}}", "has no }} at its end"),
        ("{{}}", "says nothing"),
        ("{{.ID |}}", "says nothing"),
        ("{{range .List}}{{.}}", "has no {{end}}"),
        ("{{if .Up}}x{{else}}y", "has no {{end}}"),
        ("x{{end}}", "belongs to no"),
        (
            "{{if .Up}}x{{else with .ID}}{{end}}",
            "else with .ID is not supported",
        ),
        ("{{range .Count}}{{end}}", "range cannot go over 3"),
        ("{{template .ID}}", "template is not supported"),
        ("{{.ID \"x\"}}", ".ID cannot be called"),
        ("{{(len .ID}}", "a ( has no )"),
        ("{{len .ID)}}", "a ) has no ("),
        ("{{$a, $b, $c := .List}}", "expected $NAME :="),
        ("{{.Nope}}", "no field Nope; there are: "),
        ("{{.ID.Nope}}", "no field Nope in abc"),
        ("{{index .List 7}}", "beyond the end"),
        ("{{upper .List}}", "upper cannot take [a b]"),
        ("{{$x}}", "no variable $x"),
        ("{{.a..b}}", "neither a field"),
    ] {
        let refusal = filled(template).expect_err(template);
        assert!(refusal.contains(words), "{template}: {refusal}");
    }
}

#[test]
fn a_table_has_its_fields_as_headings() {
    let template = Template::parse("{{.ID}}\\t{{json .State.Health}}").expect("a template");
    let title = |name: &str| (name == "ID").then(|| "CONTAINER ID".to_owned());
    assert_eq!(template.headings(title), "CONTAINER ID\tHEALTH");
}

#[test]
fn blocks_and_variables_are_gos() {
    for (template, expected) in [
        ("{{range .List}}{{.}},{{end}}", "a,b,"),
        ("{{range $i, $x := .List}}{{$i}}={{$x}} {{end}}", "0=a 1=b "),
        (
            "{{range $k, $v := .Labels}}{{$k}}={{$v}} {{end}}",
            "b=x z.y=1 ",
        ),
        ("{{range .State}}{{.Status}} {{$.ID}}{{end}}", "healthy abc"),
        ("{{range .None}}x{{else}}none{{end}}", "none"),
        ("{{if .Up}}up{{else}}down{{end}}{{if .None}}x{{end}}", "up"),
        (
            "{{if eq .ID \"abc\"}}{{if gt .Count 2}}both{{end}}{{end}}",
            "both",
        ),
        ("{{with .State.Health}}{{.Status}}{{end}}", "healthy"),
        ("{{if .None}}x{{else if .Up}}y{{else}}z{{end}}!", "y!"),
        ("{{with .None}}x{{else}}{{.ID}}{{end}}", "abc"),
        (
            "{{(index .List 1)}} {{(index .State \"Health\").Status}}",
            "b healthy",
        ),
        (
            "{{$x := .ID}}{{$x | upper}} {{if and .Up (not .None)}}y{{end}}",
            "ABC y",
        ),
        ("{{.Label \"x\"}}{{.Label \"none\"}}", "1"),
        (
            "{{if or .None false}}x{{end}}{{title .ID}}{{join (split \"a,b\" \",\") \" \"}}",
            "Abca b",
        ),
    ] {
        assert_eq!(filled(template), Ok(expected.to_owned()), "{template}");
    }
}

#[test]
fn fields_are_known_before_there_is_a_row() {
    let sample = json!({ "ID": "", "Labels": "" });
    for (template, known) in [
        ("{{.ID}} {{.Label \"x\"}}", true),
        ("{{if .ID}}{{.Labels}}{{end}}", true),
        ("{{upper .Nope}}", false),
        ("{{range .Nope}}{{.X}}{{end}}", false),
    ] {
        let template = Template::parse(template).expect(template);
        assert_eq!(template.check(&sample).is_ok(), known, "{template:?}");
    }
}
