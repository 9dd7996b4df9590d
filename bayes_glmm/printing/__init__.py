"""How results look: numbers by their own size, and tables as text, HTML, LaTeX and Markdown. Input: any DataFrame."""
