"""Parse robots.txt (RFC 9309), with the common extensions Crawl-delay and Request-rate."""

import re

from protego import Protego

from transforms.schema.failures import Reason, Rejected

MAX_BYTES = 500 * 1024
"""Maximum size of a robots.txt that is read (RFC 9309, section 2.5); the rest is ignored."""
MAX_AGE_SECONDS = 24 * 3600
"""Time after which a robots.txt is read again (RFC 9309, section 2.4)."""
MAX_REDIRECTS = 5
"""Maximum number of redirects of a robots.txt (RFC 9309, section 2.3.1.2)."""

MAX_DELAY_SECONDS = 1e9
"""Maximum delay; a longer one is taken for a mistake in the file and ignored."""

_MANY_WILDCARDS = 500
_AGENT_LINE = re.compile(
    r"^[^\S\n]*user[ \t-]?agent[ \t]*:[ \t]*([A-Za-z_-]*)(\*?)[^\n]*$", re.IGNORECASE | re.MULTILINE
)


class RobotsRules:
    """The rules of one host's robots.txt for one user agent."""

    def __init__(self, rules: Protego | None, token: str, wildcards: int = 0) -> None:
        self._rules = rules
        self._token = token
        self._wildcards = wildcards

    @classmethod
    def parse(cls, body: bytes, status: int, token: str) -> "RobotsRules":
        """Parse a response to a request for robots.txt.

        Args:
            body: the response body; at most `MAX_BYTES` of it are read.
            status: the HTTP status after redirects. 2xx: the rules apply. 4xx: there is no file, so all is allowed;
                but 429 counts as a server error.
            token: the crawler's product name.

        Raises:
            Rejected: ``robots_unreachable``, for a status that disallows everything for now.
        """
        if status == 429 or not 200 <= status < 500 or 300 <= status < 400:
            raise Rejected(
                Reason.ROBOTS_UNREACHABLE, f"robots.txt returned status {status}, which disallows everything for now."
            )
        if status >= 400:
            return cls(None, token)
        text = body[:MAX_BYTES].decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")
        if len(body) > MAX_BYTES:
            text = text.rpartition("\n")[0]
        return cls(Protego.parse(_AGENT_LINE.sub(lambda m: _agent_line(m, token), text)), token, text.count("*"))

    @property
    def is_expensive(self) -> bool:
        """Whether matching a URL may be too slow for an event loop."""
        return self._wildcards > _MANY_WILDCARDS

    def allowed(self, url: str) -> bool:
        """Whether our user agent may request an absolute URL."""
        return self._rules is None or bool(self._rules.can_fetch(url, self._token))

    @property
    def delay(self) -> float | None:
        """Seconds between two requests: the longer of Crawl-delay and Request-rate; None if both are missing."""
        if self._rules is None:
            return None
        rate = self._rules.request_rate(self._token)
        delays = [self._rules.crawl_delay(self._token), _ratio(rate.seconds, rate.requests) if rate else None]
        return max((float(delay) for delay in delays if delay is not None and delay < MAX_DELAY_SECONDS), default=None)


def _ratio(seconds: float, requests: float) -> float | None:
    try:
        return seconds / requests
    except (OverflowError, ZeroDivisionError):
        return None


def _agent_line(match: "re.Match[str]", token: str) -> str:
    """Rewrite a User-agent line so that only complete names match, as RFC 9309 requires; protego matches prefixes."""
    name, star = match.groups()
    if star and not name:
        return "User-agent: *"
    # No product name contains a digit.
    return f"User-agent: {token if name.lower() == token else 0}"
