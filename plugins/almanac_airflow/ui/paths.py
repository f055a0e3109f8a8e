"""The addresses of Almanac's pages in Airflow's web server. Light: every process of Airflow imports it."""

from urllib.parse import urlsplit

from airflow.configuration import conf

from almanac.reporting.urls import MOUNT, Urls


def urls(*, framed: bool = False) -> Urls:
    """Links for pages that are seen under Airflow's address, which may have a path of its own.

    Args:
        framed: the page is seen in a frame of Airflow's UI, whose sandbox opens no other page of Airflow.
    """
    prefix = urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")
    return Urls(f"{prefix}{MOUNT}", None if framed else prefix)
