"""A dataset on one page of HTML: what was asked and what came out, and how good it is.

content.py gathers, page.py writes; report.html.j2 is the page. Nothing of it is loaded from a
network.
"""
