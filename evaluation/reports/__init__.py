"""Reports of evaluations: tables, figures, CSV, Markdown, published results and generated pages."""
