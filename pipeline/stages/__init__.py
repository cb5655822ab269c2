"""The stages of a run, one verb a file: source, manifest, build, deploy, verify, publish."""
