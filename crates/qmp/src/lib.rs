//! QMP, the QEMU machine protocol: framing and the few commands breakglass uses, over any Read + Write.
