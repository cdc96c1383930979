"""The reader study: people score real and synthetic slices without being told which is which.

volumes.py real_volumes.py   what there is to show
study.py pictures.py         which slices of it, and how they become alike
answers.py                   SQLite: pictures, readers, answers
server.py page/              what a reader's browser shows
summary.py agreement.py charts.py   what came out
"""
