import torch
from surrogate_cases import copper

from kappa_flow.documents.sections import SurrogateSettings
from kappa_flow.surrogate.fitting.selection import cur_order, trade_off


def test_cur_takes_independent_columns_and_leaves_their_combinations():
    generator = torch.Generator().manual_seed(2)
    free = torch.randn(60, 5, generator=generator, dtype=torch.float64)
    # Columns 0–2 and 6, 8 are independent; the others are multiples and sums of them.
    dull = torch.zeros(60, dtype=torch.float64)
    columns = [free[:, 0], free[:, 1], free[:, 2], 2 * free[:, 0], dull, free[:, 0] - free[:, 1]]
    matrix = torch.stack([*columns, free[:, 3], -free[:, 3], free[:, 4]], 1)
    order = cur_order(matrix)
    assert len(order) == 5
    assert torch.linalg.matrix_rank(matrix[:, order]) == 5
    assert 4 not in order


def test_more_functions_never_cost_much_and_few_cost_a_lot():
    settings = SurrogateSettings(cutoff=5.0, radial=5, l_max=3)
    found = trade_off(copper(6), copper(2, start=50), settings, counts=(5, 20), grid=((2, 1), (5, 3)))
    few, some, everything = found.by_function
    assert (few.n_functions, some.n_functions, everything.n_functions) == (5, 20, 65)
    # Six cells fix 65 functions well: what is left out is lost, nothing is over-fitted.
    assert few.force_rmse > 2 * some.force_rmse > 2 * everything.force_rmse
    assert found.by_channel[-1].force_rmse == everything.force_rmse
    assert found.cheapest(1.01).n_functions == 65
    assert found.cheapest(1e9) == min(found.by_channel, key=lambda kept: kept.seconds)


def test_the_figure_has_both_curves(tmp_path):
    settings = SurrogateSettings(cutoff=4.0, radial=3, l_max=1)
    found = trade_off(copper(2), copper(1, start=50), settings, counts=(3,), grid=((2, 0), (3, 1)))
    figure = found.figure()
    figure.savefig(tmp_path / "trade-off.png")
    assert [len(line.get_xdata()) for line in figure.axes[0].lines] == [2, 2]
    assert (tmp_path / "trade-off.png").stat().st_size > 5000
