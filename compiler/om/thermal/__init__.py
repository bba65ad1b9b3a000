"""Most probable paths of Langevin dynamics: the Onsager-Machlup action at a temperature."""
