"""The staff site in Airflow's menu.

Every process of Airflow loads this file, so the application behind it is imported only when it is asked.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from airflow.plugins_manager import AirflowPlugin

PREFIX = "data-quality"
Message = MutableMapping[str, Any]


class LazyApp:
    """An ASGI application that is imported when the first request comes."""

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """Hand the request on."""
        from operations.staff_site import app

        await app(scope, receive, send)


class StaffSite(AirflowPlugin):
    """The pages of the staff site for those who are signed in, and a way to them in the menu."""

    name = "staff_site"
    fastapi_apps = [{"app": LazyApp(), "url_prefix": f"/{PREFIX}", "name": "staff site"}]  # noqa: RUF012
    external_views = [  # noqa: RUF012
        {
            "name": "数据质量 Data quality",
            "href": f"{PREFIX}/index.html",
            "destination": "nav",
            "category": "browse",
            "url_route": "data_quality",
        }
    ]
