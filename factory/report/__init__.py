"""A dataset on one page of HTML: what was requested, what was made, and how good it is.

content.py gathers what is on the page, page.py writes it with the template report.html.j2. The page
loads nothing from a network.
"""
