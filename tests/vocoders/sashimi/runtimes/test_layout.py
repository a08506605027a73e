"""The layout of a fused step: packed weights are found in it by name, and tables point to its pieces."""

import numpy as np
import pytest
import torch

from vocoders.sashimi import VARIANTS, Sashimi, SashimiConfig
from vocoders.sashimi.runtimes.fused.layout import ENDS, NORM, STATE, TIED_COMMON, TILE, WIDE
from vocoders.sashimi.runtimes.fused.packing import pack, place_state
from vocoders.sashimi.runtimes.fused.systems import as_array

BATCH = 3


@pytest.fixture(scope="module", params=["sc09", "sc09_unet", "standalone"])
def model(request) -> Sashimi:
    torch.manual_seed(0)
    small = VARIANTS[request.param].to_dict() | {"channels": 12, "num_layers": 2, "kernel_length": 64}
    return Sashimi(SashimiConfig.from_dict(small)).eval()


@pytest.mark.parametrize("weight_format", ["float32", "int16"])
def test_pieces_lie_apart_at_whole_vectors(model: Sashimi, weight_format: str) -> None:
    layout = pack(model, BATCH, weight_format).layout
    assert layout.alignment == WIDE
    for array, size in layout.sizes.items():
        pieces = sorted((p for p in layout.pieces.values() if p.array == array), key=lambda piece: piece.start)
        ends = [piece.stop for piece in pieces]
        assert all(piece.start % WIDE == 0 for piece in pieces)
        assert all(end <= piece.start for end, piece in zip(ends, pieces[1:], strict=False))
        assert max(ends, default=0) <= size
    assert (layout.sizes["integers"] > 0) == (weight_format == "int16")


@pytest.mark.parametrize("weight_format", ["float32", "int16"])
def test_matrices_and_norms_are_found_where_the_tables_point(model: Sashimi, weight_format: str) -> None:
    program = pack(model, BATCH, weight_format)
    tables, layout = program.tables, program.layout
    for number, row in enumerate(tables.linears):
        assert layout.pieces[f"linears.{number}.weights"].start == row.weights
        assert layout.pieces[f"linears.{number}.ends"].start == row.ends
    for number, row in enumerate(tables.norms):
        assert layout.pieces[f"norms.{number}.tiles"].start == row.tiles
        mask = program.view(f"norms.{number}.tiles")[:, NORM.mask : NORM.mask + WIDE]
        assert mask.sum() == pytest.approx(1 / row.share)
    tiles, ends = (program.view(f"linears.{tables.head}.{part}") for part in ("weights", "ends"))
    weights = tiles.swapaxes(1, 2).reshape(-1, tiles.shape[1])[: model.quantiser.num_codes, : model.config.channels]
    assert np.array_equal(weights, model.head.weight.detach().numpy())
    bias = ends[:, ENDS.bias : ENDS.bias + WIDE].ravel()[: model.quantiser.num_codes]
    assert np.array_equal(bias, model.head.bias.detach().numpy())
    embedding = program.view("embedding")[:, : model.config.channels]
    assert np.array_equal(embedding, model.embedding.weight.detach().numpy())


def test_a_state_stands_in_the_pieces_of_its_blocks(model: Sashimi) -> None:
    program = pack(model, BATCH)
    with torch.no_grad():
        codes = torch.randint(256, (BATCH, 37), generator=torch.Generator().manual_seed(0))
        _, state = model.advance(codes, model.initial_state(BATCH))
    counts = place_state(program, state)
    pools, position = model.config.pool, 37
    for index, factor in enumerate(pools):
        assert counts[index] == position % factor
        frame = program.view(f"tiers.{index}.frame")[:, : counts[index], : model.config.widths[index]]
        assert np.array_equal(frame, state.frame.transpose(1, 2).numpy())
        position //= factor
        state = state.inner
    blocks = [name for name in program.layout.pieces if name.startswith("blocks.") and name.endswith(".state")]
    assert all(program.view(name).any() for name in blocks)
    first = program.tables.tiers[len(pools)].up_first
    row, x = program.tables.blocks[first], as_array(state.down[0].x)[0].T[:, :TILE]
    if row.is_tied:
        # States are counted in units of p.
        common = program.view(f"blocks.{first}.common")
        x = x / (common[:, TIED_COMMON.unit_real] + 1j * common[:, TIED_COMMON.unit_imag])[:, None]
    kept = program.view(f"blocks.{first}.state")[0, 0, :-TILE].reshape(row.num_states, STATE.size)
    for start, part in ((STATE.real, x.real), (STATE.imag, x.imag)):
        np.testing.assert_allclose(kept[:, start : start + part.shape[1]], part, rtol=1e-5, atol=1e-12)
