"""Old ERPs: their spreadsheets and database tables as rows of cells, and rows as canonical records."""
