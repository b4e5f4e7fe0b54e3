"""The report of `haarmony evaluate`: results, figures, and pages that show them."""
