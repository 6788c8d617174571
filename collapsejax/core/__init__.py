"""What every part of the package uses: base classes, pytrees, argument checks, descriptions of configurations."""
