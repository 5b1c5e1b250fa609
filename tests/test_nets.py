"""The nets: as many parameters as their papers' architectures have, counted by hand, and the shapes they promise."""

from __future__ import annotations

import pytest
import torch

from hpn_lite import nets


def norm(channels: int) -> int:
    return 2 * channels  # a scale and a shift


def resnet_parameters(depth: int, width: int, filters: int = 16, channels: int = 3) -> int:
    """He et al. 2016, section 4.2, with 3x3 shortcuts: counted stage by stage from the paper's table."""
    blocks = (depth - 2) // 6
    count = 9 * channels * filters + norm(filters)
    sizes = [filters, filters, 2 * filters, 4 * filters]
    for before, now in zip(sizes, sizes[1:], strict=False):
        first = 9 * before * now + 9 * now * now + 2 * norm(now)
        shortcut = 9 * before * now + norm(now) if before != now else 0
        count += first + shortcut + (blocks - 1) * (2 * 9 * now * now + 2 * norm(now))
    return count + (4 * filters + 1) * width


def densenet_parameters(blocks: tuple[int, ...], width: int, growth: int = 32, channels: int = 3) -> int:
    """Huang et al. 2017, table 1 (DenseNet-BC, compression 1/2), with a 3x3 convolution at the start."""
    now = 2 * growth
    count = 9 * channels * now
    for place, layers in enumerate(blocks):
        for layer in range(layers):
            seen = now + layer * growth
            count += norm(seen) + seen * 4 * growth + norm(4 * growth) + 9 * 4 * growth * growth
        now += layers * growth
        if place < len(blocks) - 1:
            count += norm(now) + now * (now // 2)
            now //= 2
    return count + norm(now) + (now + 1) * width


def cnn_parameters(depth: int, width: int, filters: int = 64) -> int:
    """Liu et al. 2018: stages of filters, 2 filters and 4 filters, and a fully connected layer on 4 x 4 pixels."""
    count, before = 0, 3
    for now in (filters, 2 * filters, 4 * filters):
        count += 9 * before * now + (depth // 3 - 1) * 9 * now * now + depth // 3 * norm(now)
        before = now
    return count + 16 * before * width


@pytest.mark.parametrize(("make", "depth"), [(nets.resnet20, 20), (nets.resnet32, 32)])
@pytest.mark.parametrize("width", [3, 100])
def test_resnets_have_the_papers_size(make, depth, width):
    net = make(width)
    assert nets.parameters(net) == resnet_parameters(depth, width)
    assert sum(isinstance(m, torch.nn.Conv2d) for m in net.modules()) == depth - 1 + 2  # two shortcuts
    assert [m.out_channels for m in net.modules() if isinstance(m, torch.nn.Conv2d)][-1] == 64
    assert nets.parameters(make(width, filters=32)) == resnet_parameters(depth, width, filters=32)


def test_resnets_without_a_last_layer():
    """LPA's long tails: 128 features of a ResNet-32 of 32 filters, as they are or after a batch normalisation."""
    features = resnet_parameters(32, 1, filters=32) - 128 - 1
    bare, normed = (nets.resnet32(128, filters=32, end=end) for end in ("none", "norm"))
    assert bare.width == normed.width == nets.resnet32(None, filters=32, end="norm").width == 128
    assert nets.parameters(bare) == features
    assert nets.parameters(normed) == features + norm(128)
    with torch.no_grad():
        z = normed(torch.randn(64, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(z.mean(0), torch.zeros(128), atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match='end="norm" a ResNet of 32 filters has 128 outputs, not 100'):
        nets.resnet32(100, filters=32, end="norm")
    with pytest.raises(ValueError, match='"linear", "none" or "norm", got "?\'?batch'):
        nets.resnet32(10, end="batch")


def test_resnet32_is_known_beside_its_shortcuts():
    """He et al. give 0.46 million parameters for 32 layers and 10 classes, without parameters in the shortcuts."""
    shortcuts = 9 * (16 * 32 + 32 * 64) + norm(32) + norm(64)
    assert round((nets.parameters(nets.resnet32(10)) - shortcuts) / 1e6, 2) == 0.46


def test_densenet121_has_the_papers_size():
    net = nets.densenet121(100)
    assert nets.parameters(net) == densenet_parameters((6, 12, 24, 16), 100)
    layers = [m for m in net.modules() if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear))]
    assert len(layers) == 121
    # The ImageNet net has 7,978,856 parameters: a 7x7 start with a norm behind it, and 1,000 classes.
    assert densenet_parameters((6, 12, 24, 16), 1000) - 9 * 3 * 64 + 49 * 3 * 64 + norm(64) == 7_978_856


@pytest.mark.parametrize("depth", [6, 9, 15])
@pytest.mark.parametrize("filters", [16, 64])
def test_cnns_have_the_papers_size(depth, filters):
    net = nets.cnn(depth, 256, filters=filters)
    assert nets.parameters(net) == cnn_parameters(depth, 256, filters)
    assert sum(isinstance(m, torch.nn.Conv2d) for m in net) == depth
    assert sum(isinstance(m, torch.nn.MaxPool2d) for m in net) == 3
    assert not isinstance(net[-1], torch.nn.ReLU) and net[-1].bias is None


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (nets.resnet20, (3, 32, 32)), (nets.resnet20, (3, 64, 64)), (nets.cnn6, (3, 32, 32)), (nets.digits, (1, 8, 8)),
        (nets.mnist, (1, 28, 28)), (nets.mlp, (1, 8, 8)),
    ],
)  # fmt: skip
def test_outputs_have_the_width(make, shape):
    net = make(7).eval()
    x = torch.rand(2, *shape)
    assert net(x).shape == (2, 7) and net.width == 7
    torch.testing.assert_close(net(x)[:1], net(x[:1]))


def test_features_without_a_last_layer():
    x = torch.rand(2, 3, 32, 32)
    for net, features in ((nets.resnet20(None), 64), (nets.cnn6(None, filters=8), 512)):
        assert net.eval()(x).shape == (2, features) and net.width == features
    assert nets.densenet121(None).width == 1024


def test_a_block_is_the_sum_of_two_ways():
    """With its second norm at zero a block passes its input on, cut at zero."""
    block = nets.Block(4, 4).eval()
    torch.nn.init.zeros_(block.norm2.weight)
    x = torch.randn(2, 4, 5, 5)
    torch.testing.assert_close(block(x), x.relu())


def test_weights_start_as_he_says():
    net = nets.seeded(0, nets.resnet32, 10)
    layer = net.stages[-1].conv2
    assert layer.weight.std().item() == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.02)
    layer = nets.seeded(0, nets.cnn, 9)[3]
    assert layer.weight.std().item() == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.02)


def test_seeded_repeats_and_leaves_the_rest_alone():
    torch.manual_seed(5)
    after = torch.rand(1)
    torch.manual_seed(5)
    first, second, other = (nets.seeded(seed, nets.digits, 3) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), after)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first[0].weight, other[0].weight)


def test_bad_depths_are_named():
    with pytest.raises(ValueError, match=r"6 n \+ 2 .* got 18"):
        nets.ResNet(18, 10)
    with pytest.raises(ValueError, match="6, 9 or 15, got 10"):
        nets.cnn(10)


@pytest.mark.parametrize(("make", "blocks"), [(nets.resnet18, (2, 2, 2, 2)), (nets.resnet34, (3, 4, 6, 3))])
def test_resnets_for_large_images_have_the_papers_size(make, blocks):
    """He et al. 2016, table 1: 11.7 and 21.8 million with 1,000 classes, counted stage by stage."""
    pytest.importorskip("torchvision")
    count, before = 49 * 3 * 64 + norm(64), 64
    for now, number in zip((64, 128, 256, 512), blocks, strict=True):
        shortcut = before * now + norm(now) if before != now else 0
        count += 9 * before * now + (2 * number - 1) * 9 * now * now + 2 * number * norm(now) + shortcut
        before = now
    net = nets.seeded(0, make, 1000)
    assert nets.parameters(net) == count + 513 * 1000 and net.width == 1000
    features = make(None).eval()
    assert features.width == 512 and features(torch.zeros(2, 3, 64, 64)).shape == (2, 512)


def test_the_net_of_the_rare_digit():
    net = nets.mnist6(2, filters=4)
    assert sum(isinstance(m, torch.nn.Conv2d) for m in net) == 6 and net(torch.zeros(3, 1, 28, 28)).shape == (3, 2)
    count = 9 * (1 * 4 + 4 * 4 + 4 * 8 + 8 * 8 + 8 * 16 + 16 * 16) + 2 * (norm(4) + norm(8) + norm(16))
    assert nets.parameters(net) == count + (16 * 16 + 1) * 2
