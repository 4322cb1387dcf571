from outreach.admin import bilans, call_files, calls, nights, regularisation_imports, replies, touches, trials

__all__ = ["bilans", "call_files", "calls", "nights", "regularisation_imports", "replies", "touches", "trials"]
