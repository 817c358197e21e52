"""What a library's vectors tell beyond search: labels, explanations, summaries, the unusual."""
