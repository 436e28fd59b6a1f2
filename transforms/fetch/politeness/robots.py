"""robots.txt, as RFC 9309 reads it, with Crawl-delay and Request-rate as they are commonly read."""

import re

from protego import Protego

from transforms.schema.failures import Reason, Rejected

MAX_BYTES = 500 * 1024
"""What is read of a robots.txt (RFC 9309, section 2.5); the rest counts for nothing."""
MAX_AGE_SECONDS = 24 * 3600
"""How long a robots.txt holds before it is read again (RFC 9309, section 2.4)."""
MAX_REDIRECTS = 5
"""How many redirects of a robots.txt are followed (RFC 9309, section 2.3.1.2)."""

_AGENT_LINE = re.compile(
    r"^[^\S\n]*user[ \t-]?agent[ \t]*:[ \t]*([A-Za-z_-]*)(\*?)[^\n]*$", re.IGNORECASE | re.MULTILINE
)


class RobotsRules:
    """What one host's robots.txt says to one user agent."""

    def __init__(self, rules: Protego | None, token: str) -> None:
        self._rules = rules
        self._token = token

    @classmethod
    def parse(cls, body: bytes, status: int, token: str) -> "RobotsRules":
        """Reads an response to a request for robots.txt.

        Args:
            body: what came, at most `MAX_BYTES` of it are read.
            status: its HTTP status, redirects followed. 2xx: the rules hold. 4xx: there is none, all is allowed; but
                429 says nothing of the file, and counts as a server error.
            token: our product name.

        Raises:
            Rejected: ``robots_unreachable``, for a status that means that nothing is allowed for now.
        """
        if status == 429 or not 200 <= status < 500 or 300 <= status < 400:
            raise Rejected(
                Reason.ROBOTS_UNREACHABLE, f"robots.txt came with status {status}, so nothing is allowed for now."
            )
        if status >= 400:
            return cls(None, token)
        text = body[:MAX_BYTES].decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")
        if len(body) > MAX_BYTES:
            text = text.rpartition("\n")[0]
        return cls(Protego.parse(_AGENT_LINE.sub(lambda m: _agent_line(m, token), text)), token)

    def allowed(self, url: str) -> bool:
        """Whether our user agent may ask for an absolute URL."""
        return self._rules is None or bool(self._rules.can_fetch(url, self._token))

    @property
    def delay(self) -> float | None:
        """The seconds between two requests that the site asks for, the longer of both ways to say it; or None."""
        if self._rules is None:
            return None
        rate = self._rules.request_rate(self._token)
        delays = [self._rules.crawl_delay(self._token), rate.seconds / rate.requests if rate else None]
        return max((float(delay) for delay in delays if delay is not None), default=None)


def _agent_line(match: "re.Match[str]", token: str) -> str:
    """Names our product, everybody, or nobody: the RFC compares whole names, protego takes their beginnings too."""
    name, star = match.groups()
    if star and not name:
        return "User-agent: *"
    # No product's name is a digit.
    return f"User-agent: {token if name.lower() == token else 0}"
