"""Pure: what the pages show, made from what the rooms said."""
