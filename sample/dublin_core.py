"""MARC 21 as the oai_dc of a repository."""

import re

from sample.marc import Record, value, xml_text

_OPEN = (
    '<oai_dc:dc xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    'xsi:schemaLocation="http://www.openarchives.org/OAI/2.0/oai_dc/ '
    'http://www.openarchives.org/OAI/2.0/oai_dc.xsd">'
)
_CREATORS = ("100", "110", "111", "700", "710", "711")


def oai_dc(record: Record, address: str) -> str:
    """The record as an `oai_dc:dc` element; `address` is where the object would be read.

    The Han text of field 880 takes the place of the romanised one, as repositories have it.
    """
    han = {subfields[0][1][:6]: subfields for subfields in record.all("880") if subfields}
    rows: list[tuple[str, str]] = []
    for tag, _, own in record.fields:
        link = value(own, "6")[4:6]
        subfields = han.get(f"{tag}-{link}", own) if link else own
        rows += _elements(tag, subfields)
    coded = record.control("008")
    rows += [("language", coded[35:38].strip()), ("type", "book"), ("identifier", address)]
    body = "".join(f"<dc:{name}>{xml_text(text)}</dc:{name}>" for name, text in rows if text)
    return f"{_OPEN}{body}</oai_dc:dc>"


def _elements(tag: str, subfields: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """What one MARC field becomes."""
    if tag == "245":
        text = " ".join(text for code, text in subfields if code in "abnp")
        return [("title", text.rstrip(" /:;,="))]
    if tag in _CREATORS:
        text = " ".join(text for code, text in subfields if code in "abcq")
        return [("creator" if tag[0] == "1" else "contributor", text.rstrip(" ,."))]
    if tag in ("260", "264"):
        year = re.search(r"\d{4}", value(subfields, "c").rpartition("[")[2])
        return [("publisher", value(subfields, "b").rstrip(" ,:;")), ("date", year[0] if year else "")]
    if tag == "020":
        number = value(subfields, "a").split(" ")[0]
        return [("identifier", f"urn:isbn:{number}" if number else "")]
    if tag == "650":
        return [("subject", "--".join(text.rstrip(".") for code, text in subfields if code in "axyzv"))]
    if tag == "520":
        return [("description", value(subfields, "a"))]
    if tag == "300":
        return [("format", " ".join(text for code, text in subfields if code in "ac"))]
    return []
