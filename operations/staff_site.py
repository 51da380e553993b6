"""The staff site inside Airflow: its pages for those who are signed in, and their decisions.

Every path, files included, asks Airflow's own login check first: without it the answer is 401.  Whoever may change
Airflow's variables may decide: the roles op and admin of the simple auth manager, Op and Admin of FAB.  A decision
comes as JSON from our own pages, is checked here, recorded with who and when where the `calis` command records it,
and entered in Airflow's audit log; what it sets going is queued (`onward.py`).
"""

import json
import logging
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.core_api.security import GetUserDep, get_user
from airflow.models.log import Log
from airflow.utils.session import create_session
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse

from operations import onward, staff_decisions
from operations.staff_decisions import DecisionRefusedError
from quality import reasons
from warehouse import lake

SERVED = (b"<html ", b"<html data-served ")  # tells the scripts that somebody is signed in
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}
log = logging.getLogger("calis")

app = FastAPI(dependencies=[Depends(get_user)], docs_url=None, redoc_url=None, openapi_url=None)


# --- who may decide --------------------------------------------------------------------------------------


def _may_decide(user: BaseUser) -> bool:
    return get_auth_manager().is_authorized_variable(method="PUT", user=user)


def _from_our_pages(request: Request) -> None:
    """Refuse what another site could make a signed-in browser send."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(415, "send the decision as application/json")
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site not in (None, "same-origin") or (origin and urlsplit(origin).netloc != request.headers.get("host")):
        raise HTTPException(403, "decisions are taken only from the pages of this site")


def _decider(user: GetUserDep, request: Request) -> str:
    """The name of the signed-in user, who may decide."""
    if not _may_decide(user):
        raise HTTPException(403, "deciding needs the role op or admin in Airflow; ask the administrator")
    _from_our_pages(request)
    return user.get_name()


Decider = Annotated[str, Depends(_decider)]


def _recorded(event: str, who: str, decided: dict[str, Any]) -> dict[str, Any]:
    """Enter a decision in Airflow's audit log too."""
    with create_session() as session:
        session.add(
            Log(event=event, owner=who, owner_display_name=who, extra=json.dumps(decided, ensure_ascii=False))
        )
    log.info("%s by %s: %s", event, who, decided)
    return decided


# --- what the pages ask ----------------------------------------------------------------------------------


@app.get("/api/me")
def me(user: GetUserDep) -> dict[str, Any]:
    """Who is signed in, whether they may decide, and what is decided."""
    return {"user": user.get_name(), "may_decide": _may_decide(user), **staff_decisions.decided()}


def _take(path: str) -> None:
    """Take what pages send to `api/…` in, say what follows, and in Airflow let it follow."""
    form, take = staff_decisions.FORMS[path]

    def taken(asked: Any, who: Any) -> dict[str, Any]:
        decided = _recorded(f"staff_site.{path.replace('/', '_')}", who, take(asked, who))
        return {**decided, "next": onward.queued(path, decided)}

    taken.__annotations__ |= {"asked": form, "who": Decider}
    app.post(f"/api/{path}")(taken)


for _path in staff_decisions.FORMS:
    _take(_path)


# --- pages -----------------------------------------------------------------------------------------------


@app.api_route("/{path:path}", methods=["GET", "HEAD"])
def page(path: str) -> Response:
    """A file of the pages."""
    if not path:
        return RedirectResponse("index.html")
    folder = lake.site().resolve()
    if not (folder / "index.html").is_file():
        return _message(
            404,
            "还没有页面：请先运行 calis publish 与 calis report。",
            "There are no pages yet: run calis publish and calis report first.",
        )
    file = _within(folder, path)
    if file is None:
        return _message(
            404,
            "没有这一页；它可能已随新的报告消失。",
            "There is no such page; a newer report may have taken it away.",
        )
    if file.suffix == ".html":
        return HTMLResponse(file.read_bytes().replace(*SERVED, 1), headers=HEADERS)
    return FileResponse(file, headers=HEADERS)


def _within(folder: Path, path: str) -> Path | None:
    """The file of that name in a folder; none for what is elsewhere, not there, or no name of a file at all."""
    try:
        file = (folder / path).resolve()
        return file if file.is_relative_to(folder) and file.is_file() else None
    except (OSError, ValueError):  # too long, or with a null
        return None


@app.api_route("/{path:path}", methods=["POST", "PUT", "PATCH", "DELETE"])
def nothing(path: str) -> Response:
    """Nothing else takes anything."""
    raise HTTPException(404, f"there is nothing to decide at {path[:100]}")


def _message(status: int, chinese: str, english: str) -> HTMLResponse:
    """A page that says only this."""
    text = (
        '<!DOCTYPE html><html lang="zh-Hans"><meta charset="utf-8"><title>数据质量 Data quality</title>'
        f'<body style="font: 16px/1.6 sans-serif; margin: 3em"><p>{chinese}</p><p lang="en">{english}</p>'
    )
    return HTMLResponse(text, status, headers=HEADERS)


# --- errors: a sentence, never a traceback ---------------------------------------------------------------


@app.exception_handler(DecisionRefusedError)
def refused(request: Request, error: DecisionRefusedError) -> JSONResponse:
    """A decision that can't be taken: what is wrong with it."""
    return _said(str(error), 409)


@app.exception_handler(RequestValidationError)
def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    """Input that is no decision: what is wrong with it, in one line."""
    faults = [f"{'.'.join(map(str, fault['loc'][1:])) or 'body'}: {fault['msg']}" for fault in error.errors()]
    return _said("; ".join(faults), 422)


@app.exception_handler(Exception)
def failed(request: Request, error: Exception) -> JSONResponse:
    """What we did not foresee: logged with its traceback, told without."""
    log.error("staff site: %s %s failed", request.method, request.url.path, exc_info=error)
    return _said("this failed inside; the log of the api-server says where", 500)


def _said(text: str, status: int) -> JSONResponse:
    english, chinese = reasons.in_both(text)
    return JSONResponse({"detail": english, "detail_zh": chinese}, status)
