"""Results on disk: zarr directories with a manifest, checksums and provenance."""
