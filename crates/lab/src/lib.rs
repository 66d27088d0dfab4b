//! Throwaway VMs and hypervisors for tests, drills and the demo, with real wedges.
