"""What a library's vectors tell beyond search: labels, recommendations, summaries, the unusual."""
