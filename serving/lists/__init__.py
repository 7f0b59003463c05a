"""Propensity lists: who of a book is contacted, who is kept as control, who is left out and why."""

from serving.lists.life import close, draft, seal
from serving.lists.request import Arms, ListRequest

__all__ = ["Arms", "ListRequest", "close", "draft", "seal"]
