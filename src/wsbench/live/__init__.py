"""Real connections: servers in processes of their own, and clients."""
