"""One HTML file that classifies images in a browser, without a network and without a server."""

from __future__ import annotations

import base64
import gzip
import importlib.resources
import json
from datetime import date
from string import Template

from headstart import formatting
from headstart.classifier import BaseClassifier
from headstart.deploy._page import fill_page, shared_file
from headstart.deploy.export._runtime import PACKAGE, WebRuntime
from headstart.results import JsonObject

# Nothing may be requested. The module of ONNX Runtime Web is imported from memory, which has a
# blob: address.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval' blob:; "
    "style-src 'unsafe-inline'; img-src blob: data:; media-src blob:; form-action 'none'; "
    "base-uri 'none'"
)
_SCRIPTS = ("pixels.js", "familiarity.js", "page.js")


def make_page(
    content: bytes, classifier: BaseClassifier, card: JsonObject, runtime: WebRuntime
) -> bytes:
    """Return the HTML of a page with a network and all that runs it.

    Args:
        content: The ONNX file of the classifier.
        classifier: The classifier, for its limits and costs.
        card: The facts that the page shows; see `model_card`.
        runtime: ONNX Runtime Web.
    """
    folder = importlib.resources.files("headstart.deploy.export") / "page"
    read = {
        name: (folder / name).read_text("utf-8") for name in (*_SCRIPTS, "seen.html", "use.html")
    }
    ood, costs = classifier.metadata.ood_threshold, classifier.costs
    facts = {
        **card,
        "explains": False,  # explanations need the run
        "written": date.today().isoformat(),
        "unfamiliar_limits": None if ood is None else ood.model_dump(),
        "costs": None if costs is None else costs.tolist(),
    }
    data = [
        _data("card", "application/json", _inert_json(facts)),
        _data("network", "text/plain", _packed(content)),
        _data("runtime-code", "text/plain", _packed(runtime.code)),
        _data("runtime", "text/plain", _packed(runtime.binary)),
        f"<script>\n{formatting.script()}</script>",
        f"<script>\n{shared_file('shared.js')}</script>",
        *(f"<script>\n{read[name]}</script>" for name in _SCRIPTS),
    ]
    page = fill_page(
        head=(
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
            f"<style>\n{shared_file('page.css')}</style>"
        ),
        privacy="Images do not leave this device.",
        without_scripts="It computes in the browser.",
        aside=read["seen.html"],
        use=Template(read["use.html"]).substitute(version=PACKAGE.version),
        data="\n".join(data),
    )
    return page.encode()


def _data(name: str, kind: str, text: str) -> str:
    return f'<script type="{kind}" id="{name}">{text}</script>'


def _packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()


def _inert_json(value: JsonObject) -> str:
    """Return JSON that cannot end the element it is in, whatever a class is called."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")
