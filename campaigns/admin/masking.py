"""The masks of ``rules.masking``, where pages look for them."""

from campaigns.rules.masking import mask_email, mask_matricule, mask_phone

__all__ = ["mask_email", "mask_matricule", "mask_phone"]
