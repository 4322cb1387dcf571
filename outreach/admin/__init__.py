from outreach.admin import bilans, calls, nights, regularisation_imports, replies, touches

__all__ = ["bilans", "calls", "nights", "regularisation_imports", "replies", "touches"]
