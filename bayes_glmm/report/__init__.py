"""What people read: equations, model cards, summaries. Input: a model or a fit. Output: text, HTML and DataFrames."""
