"""The whole book: every customer, every model, all contributions, one audit record."""

from serving.book.reading import newest_book
from serving.book.run import BookRun, publish_newest, score_book

__all__ = ["BookRun", "newest_book", "publish_newest", "score_book"]
