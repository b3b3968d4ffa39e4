"""Renders the templates of tests/golden/jinja_cases.jsonl with jinja2 and compares with what is recorded there.

    jinja_compare.py [--update] [FILE]

A line holds `template`, `vars`, `now` (seconds, for strftime_now, UTC) and either `rendered`, with `spans` when there
are {% generation %} blocks (byte offsets), or `error` (what jinja2 said; only the fact is compared with ours). --update
writes what jinja2 gives. The environment is that of transformers' apply_chat_template. Needs jinja2 3.1.
"""
import json
import os
import re
import sys
import time
from datetime import datetime, timezone

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

CASES = os.path.join(os.path.dirname(__file__), "..", "golden", "jinja_cases.jsonl")


class Generation(jinja2.ext.Extension):
    """{% generation %}: its body, and where it stands in what was written before it."""

    tags = {"generation"}

    def __init__(self, environment):
        super().__init__(environment)
        environment.extend(written=[], spans=[])

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_mark"), [], [], body).set_lineno(line)

    def _mark(self, caller):
        text = caller()
        begin = len("".join(self.environment.written).encode())
        self.environment.spans.append([begin, begin + len(text.encode())])
        return text


class Dict:
    def __call__(self, *args, **kwargs):
        return dict(*args, **kwargs)


class Namespace(jinja2.utils.Namespace):
    def __init__(*args, **kwargs):
        self, args = args[0], args[1:]
        attributes = dict(*args, **kwargs)
        for name in attributes:
            Namespace.check(name)
        jinja2.utils.Namespace.__init__(self, attributes)

    def __setitem__(self, name, value):
        Namespace.check(name)
        jinja2.utils.Namespace.__setitem__(self, name, value)

    @staticmethod
    def check(name):
        if isinstance(name, str) and name.startswith("_"):
            raise jinja2.exceptions.SecurityError(name)


def environment(now=0):
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda f: datetime.fromtimestamp(now, timezone.utc).replace(tzinfo=None).strftime(f)
    env.globals["dict"] = Dict()
    env.globals["namespace"] = Namespace
    return env


def render(case):
    env = environment(case.get("now", 0))
    try:
        for piece in env.from_string(case["template"]).generate(**case.get("vars", {})):
            env.written.append(piece)
        rendered = "".join(env.written)
        rendered.encode()
        got = {"rendered": rendered}
        if env.spans:
            got["spans"] = env.spans
        return got
    except Exception as e:
        return {"error": re.sub(r"0x[0-9a-f]+", "0x", f"{type(e).__name__}: {e}")}


def main():
    args = [a for a in sys.argv[1:] if a != "--update"]
    path = args[0] if args else CASES
    cases = [json.loads(line) for line in open(path, encoding="utf-8")]
    results = [{**{k: v for k, v in c.items() if k not in ("rendered", "spans", "error")}, **render(c)} for c in cases]
    if "--update" in sys.argv:
        with open(path, "w", encoding="utf-8") as f:
            f.writelines(json.dumps(r, ensure_ascii=False) + "\n" for r in results)
    wrong = [(c, r) for c, r in zip(cases, results) if c != r]
    for c, r in wrong[:20]:
        print("differs:", json.dumps(c["template"]), "\n  recorded", c.get("rendered", c.get("error")), "\n  jinja2  ", r.get("rendered", r.get("error")))
    print(f"jinja2 {jinja2.__version__}: {len(cases) - len(wrong)} as recorded, {len(wrong)} differ")
    return 1 if wrong and "--update" not in sys.argv else 0


if __name__ == "__main__":
    os.environ["TZ"] = "UTC"
    time.tzset()
    sys.exit(main())
