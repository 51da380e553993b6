"""What each protocol takes of a source's row: the address, the columns that it gives a meaning, its quirks.

Said once, and used thrice: the registry checks rows by it, `calis protocols` prints it, and a test holds the table
of the README to it.  A quirk that is not listed here is a fault of the row, so that a slip of the pen is found.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePath
from urllib.parse import parse_qsl, urlsplit

SECRET = re.compile(r"(?i)passw|pwd|secret|token|api[_-]?key|^key$|^auth(orization)?$|credential")
NO_SECRETS = "secrets never stand in the registry; put them into a connection or the environment"


@dataclass(frozen=True)
class Quirk:
    """One `name=value` of the column quirks: what it means, what it is without, and a form that it must have."""

    name: str
    meaning: str
    default: str = ""
    form: str = r".+"


@dataclass(frozen=True)
class Protocol:
    """One way to deliver, and what it takes of a row of sources.csv."""

    name: str
    what: str
    address: str  # its form, for people
    check: Callable[[str], None]  # raises ValueError where an address has not that form
    example: dict[str, str]
    prefix: str = ""  # what metadata_prefix means; "" if nothing
    prefix_needed: str = ""  # why a row without one is wrong
    set_spec: str = ""
    quirks: tuple[Quirk, ...] = ()
    needed: tuple[str, ...] = field(default=())  # quirks that a row must have

    def takes(self) -> dict[str, Quirk]:
        """The quirks that a row may have, by name."""
        return {quirk.name: quirk for quirk in (*self.quirks, *COMMON)}


NUMBER = r"\d+(\.\d+)?"
WHOLE = r"[1-9]\d*"
USAGE = (
    Quirk(
        "timezone", "of usage: the library's clock, where times have no offset", "Asia/Shanghai", r"[A-Za-z_]+/\S+"
    ),
    Quirk("profile", "of usage: the only profile of usage_profiles.csv that may fit", "the one that fits best"),
    Quirk(
        "columns",
        "of usage: our columns by position, commas between, - to leave one out; for files without header",
    ),
    Quirk("role", "of requests: the side that reports, borrow or lend", "as the file says", "borrow|lend"),
    Quirk("service", "of requests without one: Copy or Loan", "Copy of articles", "Copy|Loan|CopyOrLoan"),
    Quirk("status", "of requests without one: their status, as LoanCompleted", "RequestReceived"),
    Quirk("platform", "of orders, costs and e-book loans without one: their platform"),
    Quirk("package", "of title lists and costs without one: their package"),
    Quirk("system", "of rental statistics without one: their system"),
    Quirk("currency", "of amounts without one", "CNY", "[A-Z]{3}"),
)
COMMON = (
    *USAGE,
    Quirk(
        "allow_private", "yes: the address may be of this machine or a private network", "no", r"(?i)yes|true|1|no"
    ),
    Quirk("tolerance_hours", "hours after which a delivery that is due is late", "half its interval", NUMBER),
    Quirk("connection", "id of the Airflow connection with the login", "none; else CALIS_CREDENTIAL_<SOURCE>"),
)
CERTIFICATE = Quirk(
    "certificate",
    "SHA-256 of the server's certificate (openssl x509 -fingerprint -sha256), where no authority vouches for it",
    "",
    r"([0-9A-Fa-f]{2}:?){32}",
)
PATIENCE = (
    CERTIFICATE,
    Quirk("attempts", "how often a request is made before the harvest ends", "5", WHOLE),
    Quirk("first_wait", "seconds before the second attempt; doubled after each", "2", NUMBER),
    Quirk("longest_wait", "seconds to wait at most; who asks for more is left until the next run", "300", NUMBER),
    Quirk("connect_timeout", "seconds to connect", "20", NUMBER),
    Quirk("read_timeout", "seconds without a byte", "180", NUMBER),
    Quirk("page_timeout", "seconds for a whole page", "900", NUMBER),
    Quirk("page_megabytes", "largest page", "256", NUMBER),
    Quirk("pause", "seconds between requests to the host", "0", NUMBER),
)
WINDOWS = (
    Quirk("page_size", "records asked for at a time", "100", WHOLE),
    Quirk(
        "window_records", "records of one result that the server lets us reach; larger ones are split", "", WHOLE
    ),
    Quirk("id_range", "lowest and highest number in id_index", "0-4294967295", r"\d+-\d+"),
)
ARRIVING = (
    Quirk("files", "which files are taken, as patterns: *.mrc *.xml.gz", "*"),
    Quirk("deletions", "which files are lists of deleted records", "*delet*.csv *delet*.txt *withdraw*.csv"),
)
SETTLE = Quirk(
    "settle", "seconds that a file must not have changed while we look", "0 in a folder, else 5", NUMBER
)


# --- addresses -------------------------------------------------------------------------------------------


def _check_parts(address: str, schemes: tuple[str, ...], wanted: str) -> None:
    """Refuse an address without a host, of another scheme, or with credentials in it."""
    try:
        parts = urlsplit(address)
        host = parts.hostname if parts.port != 0 else None
    except ValueError:
        host = None
    if not host or parts.scheme not in schemes or re.search(r"\s", address):
        raise ValueError(wanted)
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"a user name or password stands in it; {NO_SECRETS}")
    if any(SECRET.search(name) for name, _ in parse_qsl(parts.query, keep_blank_values=True)):
        raise ValueError(f"a key or password stands in its query; {NO_SECRETS}")


def _web(name: str) -> Callable[[str], None]:
    wanted = f"{name} source needs an address that begins with http:// or https:// and a host"
    return lambda address: _check_parts(address, ("http", "https"), wanted)


def _remote(*schemes: str) -> Callable[[str], None]:
    begins = " or ".join(f"{scheme}://" for scheme in schemes)
    place = "bucket/folder" if "s3" in schemes else "host/folder"

    def check(address: str) -> None:
        _check_parts(
            address, schemes, f"write it as {begins}{place}" if len(schemes) == 1 else f"begin with {begins}"
        )
        if ".." in PurePath(urlsplit(address).path).parts:
            raise ValueError("'..' leads out of the folder; write the folder itself")
        if "?" in address or "#" in address:
            raise ValueError("it has a query or fragment, which a folder has not")

    return check


def _check_folder(address: str) -> None:
    """Refuse what is no folder, or a relative one outside the data folder."""
    if "://" in address:
        raise ValueError("a folder source needs the path of a folder; it reads no web addresses")
    if ".." in PurePath(address).parts:
        raise ValueError("'..' leads out of the data folder; write an absolute path")


def _check_z3950(address: str) -> None:
    wanted = "write it as z3950://host:port/database"
    _check_parts(address, ("z3950", "z3950s"), wanted)
    if not urlsplit(address).path.strip("/"):
        raise ValueError(f"the database is missing; {wanted}")


# --- the protocols ---------------------------------------------------------------------------------------

ALL = (
    Protocol(
        "oai",
        "OAI-PMH 2.0: what changed since the last complete harvest, page by page",
        "https://host/path of the provider",
        _web("an OAI"),
        {"address": "https://lib.example.edu/oai", "metadata_prefix": "marcxml", "set_spec": "books"},
        prefix="metadata prefix, or several with | between: the first that the source offers",
        prefix_needed="an OAI source needs one, for example marcxml or oai_dc",
        set_spec="set, or none",
        quirks=(
            *PATIENCE,
            Quirk("overlap_hours", "hours that a window reaches back at least", "a day or 5 minutes", NUMBER),
            Quirk("reconcile_days", "days between comparisons of all identifiers", "no 7, transient 30", NUMBER),
            Quirk("list_size", "ignore: the number of records announced is known to be wrong", "", "ignore"),
        ),
    ),
    Protocol(
        "sru",
        "SRU 1.1 to 2.0: the records that a CQL query finds, in windows of dates or numbers where there are many",
        "https://host/path of the database",
        _web("an SRU"),
        {
            "address": "https://lib.example.edu/sru/biblios",
            "metadata_prefix": "marcxml",
            "quirks": "date_index=rec.lastModificationDate",
        },
        prefix="record schema; none for the server's own",
        set_spec="CQL query, or none for cql.allRecords=1",
        quirks=(
            Quirk("version", "version of SRU", "1.2; 1.1 or 2.0 where the server refuses it", r"1\.1|1\.2|2\.0"),
            Quirk("packing", "how records are packed", "the server's own", r"xml|string"),
            Quirk("date_index", "CQL index of the date of change, for what is new and for windows", ""),
            Quirk("id_index", "CQL index of a number of records, for windows of numbers", ""),
            Quirk("date_format", "how dates are written", "%Y-%m-%d"),
            *WINDOWS,
            *PATIENCE,
        ),
    ),
    Protocol(
        "z3950",
        "Z39.50: the records that a query finds, in windows of dates or numbers where there are many",
        "z3950://host:port/database (z3950s:// with TLS)",
        _check_z3950,
        {
            "address": "z3950://lib.example.edu:210/biblios",
            "metadata_prefix": "usmarc",
            "set_spec": "@attr 1=_ALLRECORDS @attr 2=103 ''",
        },
        prefix="record syntax: usmarc, unimarc, xml …",
        prefix_needed="a Z39.50 source needs a record syntax, for example usmarc, unimarc or xml",
        set_spec="query in prefix notation (PQF), or none for all records; CQL with query_type=cql",
        quirks=(
            Quirk("query_type", "the language of the query in set_spec", "pqf", r"pqf|cql"),
            Quirk("date_index", "attributes of the date of change (1=1012), for what is new and for windows", ""),
            Quirk("id_index", "attributes of a number of records (1=12,4=109), for windows of numbers", ""),
            Quirk("date_format", "how dates are written", "%Y%m%d"),
            Quirk("element_set", "element set name: F, B …", "F"),
            *WINDOWS,
            *(
                quirk
                for quirk in PATIENCE
                if quirk.name not in ("page_timeout", "page_megabytes", "connect_timeout")
            ),
        ),
    ),
    Protocol(
        "folder",
        "files that are put into a folder of this machine",
        "path, absolute or below the data folder",
        _check_folder,
        {"address": "drop/whu", "delivery": "full"},
        quirks=(*ARRIVING, SETTLE),
    ),
    Protocol(
        "sftp",
        "files in a folder that SFTP reaches",
        "sftp://host:port/folder",
        _remote("sftp"),
        {
            "address": "sftp://lib.example.edu/export",
            "quirks": "host_key=SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
        },
        quirks=(
            *ARRIVING,
            SETTLE,
            Quirk(
                "host_key",
                "fingerprint of the server's key, as ssh-keygen -l shows it",
                "",
                r"SHA256:[A-Za-z0-9+/]{43}",
            ),
            Quirk("attempts", "how often to connect before the harvest ends", "3", WHOLE),
            Quirk("first_wait", "seconds before the second attempt; doubled after each", "2", NUMBER),
        ),
        needed=("host_key",),
    ),
    Protocol(
        "ftp",
        "files in a folder that FTP reaches (ftps:// with TLS)",
        "ftp://host:port/folder",
        _remote("ftp", "ftps"),
        {"address": "ftp://lib.example.edu/export", "quirks": "files=*.mrc *.csv"},
        quirks=(
            *ARRIVING,
            SETTLE,
            CERTIFICATE,
            Quirk("attempts", "how often to connect before the harvest ends", "3", WHOLE),
            Quirk("first_wait", "seconds before the second attempt; doubled after each", "2", NUMBER),
        ),
    ),
    Protocol(
        "s3",
        "files in a folder of a bucket in S3 or what speaks its protocol",
        "s3://bucket/folder",
        _remote("s3"),
        {"address": "s3://whu-export/marc", "quirks": "endpoint=https://s3.example.edu"},
        quirks=(
            *ARRIVING,
            SETTLE,
            Quirk("endpoint", "address of the service, where it is not Amazon's", "", r"https?://.+"),
            Quirk("region", "region of the bucket", ""),
            Quirk("attempts", "how often to connect before the harvest ends", "3", WHOLE),
            Quirk("first_wait", "seconds before the second attempt; doubled after each", "2", NUMBER),
        ),
    ),
    Protocol(
        "sushi",
        "COUNTER reports of Release 5 and 5.1, month by month, by the COUNTER API (SUSHI)",
        "https://host/path, without /r51/reports",
        _web("a SUSHI"),
        {"address": "https://sushi.example.com/counter", "metadata_prefix": "TR DR", "format": "counter"},
        prefix="reports, with blanks between: TR TR_J1 DR PR IR …",
        prefix_needed="a SUSHI source needs the ids of its reports, for example TR DR",
        set_spec="platform, or none",
        quirks=(
            Quirk("release", "release of COUNTER", "5.1", r"5|5\.1"),
            Quirk("begin", "first month to ask for, as 2025-01", "12 months ago", r"\d{4}-(0[1-9]|1[0-2])"),
            *PATIENCE,
        ),
    ),
)
BY_NAME = {protocol.name: protocol for protocol in ALL}


def check_quirks(name: str, quirks: dict[str, str]) -> None:
    """Refuse quirks that the protocol does not know, lacks, or that have not their form.

    Raises:
        ValueError: naming the quirk and what may stand there.
    """
    protocol = BY_NAME[name]
    known = protocol.takes()
    for quirk, value in quirks.items():
        if quirk not in known:
            raise ValueError(f"{name} has no quirk {quirk!r}; known: {', '.join(sorted(known))}")
        if not re.fullmatch(known[quirk].form, value):
            raise ValueError(f"{quirk}={value!r} is not right; it says: {known[quirk].meaning}")
    if missing := [quirk for quirk in protocol.needed if quirk not in quirks]:
        raise ValueError(f"{name} needs {missing[0]}=…: {known[missing[0]].meaning}")
    if "date_index" in quirks and "id_index" in quirks:
        raise ValueError("date_index and id_index exclude each other: windows are of dates or of numbers")


def described(name: str) -> str:
    """What a protocol takes, as lines for a person."""
    protocol = BY_NAME[name]
    example = ",".join(f"{column}={value}" for column, value in protocol.example.items())
    lines = [f"{name}: {protocol.what}", f"  address          {protocol.address}"]
    lines += [f"  metadata_prefix  {protocol.prefix}"] if protocol.prefix else []
    lines += [f"  set_spec         {protocol.set_spec}"] if protocol.set_spec else []
    lines += [f"  for example      {example}", "  quirks, as name=value;name=value"]
    for quirk in protocol.takes().values():
        default = f" ({quirk.default})" if quirk.default else ""
        needed = " — needed" if quirk.name in protocol.needed else ""
        lines.append(f"    {quirk.name:<16} {quirk.meaning}{default}{needed}")
    return "\n".join(lines)
