from importlib.metadata import PackageNotFoundError

from collapsejax.store import provenance


def test_a_checkout_that_is_not_installed_has_no_version(monkeypatch):
    def version(package):
        if package == "collapsejax":
            raise PackageNotFoundError(package)
        return "1.2"

    monkeypatch.setattr(provenance, "version", version)
    found = provenance.provenance.__wrapped__()
    assert (found["version_collapsejax"], found["version_jax"]) == ("unknown", "1.2")
