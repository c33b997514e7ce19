# SPDX-License-Identifier: MIT
"""Pages of `kvscope report --html` as tests see them: what is wrong with one, and the numbers in its tables."""
import collections
import re

# What an HTML parser closes by itself, or must not find closed: we write only what both kinds of parser read alike.
VOID = {"meta", "br", "rect", "line", "path"}
KNOWN = VOID | {"html", "head", "title", "style", "body", "header", "h1", "h2", "h3", "p", "ul", "ol", "li", "span", "b",
                "section", "div", "figure", "figcaption", "svg", "desc", "g", "text", "circle", "details", "summary",
                "table", "caption", "thead", "tbody", "tr", "th", "td", "data", "code", "pre", "del", "ins", "footer"}


def problems(text, root):
    """What is wrong with a page, whatever it is about."""
    parents = {child: parent for parent in root.iter() for child in parent}
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    for name, n in collections.Counter(ids).items():
        if n > 1:
            yield f"id {name} twice"
    for name in set(re.findall(r"<(\w+)\b[^>]*/>", text)) - VOID:
        yield f"<{name}/>"
    for e in root.iter():
        if e.tag not in KNOWN:
            yield f"element {e.tag}"
        for key, value in e.attrib.items():
            if key.startswith("on") or key in ("src", "href") or "url(" in value or "javascript" in value.lower():
                yield f"attribute {key}={value}"
            if key in ("x", "y", "width", "height", "x1", "x2", "y1", "y2", "cx", "cy", "r") and \
                    not re.fullmatch(r"-?[0-9.]+%?", value):
                yield f"{e.tag} {key}={value}"
        if e.tag == "svg" and e.get("role") == "img":
            said = {c.get("id"): c.text for c in e if c.tag in ("title", "desc")}
            if len(said) != 2 or not all(said.values()) or set(e.get("aria-labelledby").split()) != set(said):
                yield f"svg {e.get('id')} without title or description"
        elif e.tag == "svg" and e.get("aria-hidden") != "true" and parents[e].tag != "svg":
            yield "an svg that is neither named nor hidden"
        if e.tag == "tr" and parents[e].tag == "tbody" and len(e) > 1:
            heads = parents[parents[e]].find("thead/tr")
            if len(heads) != len(e):
                yield f"a row of {len(e)} cells below {len(heads)} heads"
    for word in ("http://", "https://", "@import", "<script", "nan", "-nan", "inf%"):
        if re.search(rf"(?<![a-z.]){re.escape(word)}\b" if word[-1] == "n" else re.escape(word), text):
            yield f"{word} in the page"


def table(root, section, head):
    """The rows of the table whose first head is this: cells as (text, exact value)."""
    for found in root.iter("section"):
        if found.get("id") != section:
            continue
        for candidate in found.iter("table"):
            heads = ["".join(th.itertext()) for th in candidate.iter("th")]
            if heads[:len(head)] == head:
                return [[("".join(td.itertext()), td.find("data").get("value") if td.find("data") is not None else None)
                         for td in tr] for tr in candidate.find("tbody")]
    return None


def number(cell):
    return None if cell[1] is None else float(cell[1]) if "." in cell[1] else int(cell[1])
