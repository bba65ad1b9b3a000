"""What XLA must get right on this machine, with the switches of the command line."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_batch_of_sums_of_products(dtype):
    """Wrong in all digits in single precision with all YNNPACK fusions of XLA (jaxlib 0.10.2)."""
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=shape).astype(dtype) for shape in ((6, 9, 17_000), (9, 7, 17_000)))
    result = jax.jit(lambda a, b: jnp.sum(a[:, :, None] * b[None], axis=1))(a, b)
    true = np.einsum("ijn,jkn->ikn", a.astype(float), b.astype(float))
    np.testing.assert_allclose(result, true, rtol=0, atol=100 * np.finfo(dtype).eps)
