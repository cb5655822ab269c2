"""Servers in languages that Sigil builds with the repository's own Dockerfile only."""

import posixpath
import re

from pipeline.onboarding.files import Files, text

_SDKS = (
    ("go.mod", "Go", r"github\.com/(?:modelcontextprotocol/go-sdk|mark3labs/mcp-go)"),
    ("Cargo.toml", "Rust", r"^\s{0,20}(?:rmcp|rust-mcp-sdk)\s{0,5}=|\[dependencies\.rmcp\]"),
    ("pom.xml", "Java", r"io\.modelcontextprotocol|spring-ai[a-z-]{0,40}mcp-server"),
    ("build.gradle", "Java", r"io\.modelcontextprotocol|spring-ai[a-z-]{0,40}mcp-server"),
    ("build.gradle.kts", "Kotlin", r"io\.modelcontextprotocol|spring-ai[a-z-]{0,40}mcp-server"),
    ("Gemfile", "Ruby", r"gem ['\"](?:mcp|fast-mcp)['\"]"),
    ("composer.json", "PHP", r'"(?:mcp/sdk|php-mcp/server|laravel/mcp)"'),
    ("deno.json", "Deno", r"@modelcontextprotocol/(?:sdk|server)"),
)
_DOTNET = re.compile(r'"ModelContextProtocol(?:\.AspNetCore)?"')


def other_language(files: Files) -> tuple[str, str] | None:
    """The language of an MCP server and the file that shows it, or None."""
    paths = files.paths()
    for path, language, pattern in _SDKS:
        if path in paths and re.search(pattern, text(files, path) or "", re.MULTILINE):
            return language, path
    for path in [p for p in paths if p.endswith(".csproj")][:3]:
        if _DOTNET.search(text(files, path) or ""):
            return ".NET", posixpath.basename(path)
    return None
