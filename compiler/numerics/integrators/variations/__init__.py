"""Derivatives of motions along themselves: the variational equations of the discrete motion."""
