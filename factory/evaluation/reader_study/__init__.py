"""The reader study: people score real and synthetic slices without knowing which is which.

volumes.py real_volumes.py          the volumes that slices are cut from
study.py pictures.py                which slices are shown, and how they are made comparable
answers.py                          the SQLite file: pictures, readers, answers
session.py server.py page/          what `factory rate` serves to a reader's browser
summary.py agreement.py charts.py   the results
"""
