"""A hook of mkdocs: READMEs of the project's folders, and other texts of its root, are pages of the site too.

They stay where a reader of the folder looks for them. Their links work there and on the site: one to a page leads to
that page, one to another file of the project is shown as its path.
"""

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)#\s]+)(#[^)]*)?\)")


def sources() -> dict[str, Path]:
    """Every page that does not lie in docs/, by its address."""
    readmes = [path for folder in ("deploy", "multi_label") for path in sorted((ROOT / folder).rglob("README*.md"))]
    others = [ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
    pages = {path.relative_to(ROOT).as_posix(): path for path in (*readmes, *others)}
    return {"index.md": ROOT / "README.md", "index_en.md": ROOT / "README_en.md", **pages}


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that lie elsewhere."""
    for address, path in sources().items():
        files.append(File.generated(config, address, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Point links at the pages' addresses on the site; a link to a file that is no page becomes its path."""
    addresses = {path: address for address, path in sources().items()}
    addresses |= {path: path.name for path in DOCS.glob("*.md")}
    own = sources().get(page.file.src_uri, DOCS / page.file.src_uri)

    def on_the_site(found: re.Match[str]) -> str:
        text, target, anchor = found[1], found[2], found[3] or ""
        if "://" in target:
            return found[0]
        path = (own.parent / target).resolve()
        for candidate in (path, path / "README.md"):
            if candidate in addresses:
                relative = os.path.relpath(addresses[candidate], Path(page.file.src_uri).parent)
                return f"[{text}]({Path(relative).as_posix()}{anchor})"
        if path.exists() and path.is_relative_to(ROOT):
            return f"{text} (`{path.relative_to(ROOT).as_posix()}`)"
        return found[0]  # leads nowhere: the strict build says so

    return LINK.sub(on_the_site, markdown)
