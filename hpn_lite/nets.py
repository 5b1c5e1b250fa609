"""The networks of the three papers, for small images, and three small ones for digits.

A net turns images (B, C, H, W) into outputs (B, width), and a head (hpn_lite.heads) says what the outputs mean. So no
net here has a classifier: HPN's nets end in a linear layer with as many outputs as the prototypes have dimensions, and
with `width=None` a net ends before that layer and gives its features, for heads that bring their own weights.

    >>> import torch
    >>> from hpn_lite import nets
    >>> net = nets.seeded(0, nets.resnet32, 50)         # 50 outputs; the same weights every time
    >>> net(torch.zeros(2, 3, 32, 32)).shape, nets.parameters(net)
    (torch.Size([2, 50]), 489986)

Every net has an attribute `width`, the number of its outputs. Weights start as in the papers' public code (see `conv`).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from .bounds import whole


def conv(inputs: int, outputs: int, size: int = 3, stride: int = 1, *, fan: str | None = "fan_out") -> nn.Conv2d:
    """A convolution without bias that keeps the image's size (or divides it by the stride).

    Args:
        inputs, outputs: channels.
        size: of the window, an odd number.
        stride: step of the window.
        fan: whose number sets the size of the first weights in He's rule; None for PyTorch's own start.
    Raises:
        ValueError: if a number of channels or the stride is not positive, or the window has no middle.
    Source: He et al. 2015. The public code takes "fan_out" for HPN's ResNets, "fan_in" for MHE's nets, and leaves HPN's
        DenseNet to PyTorch.
    """
    for name, value in (("inputs", inputs), ("outputs", outputs), ("stride", stride)):
        whole(name, value, 1)
    if whole("size", size, 1) % 2 == 0:
        raise ValueError(f"size must be odd, got {size}: only then the image keeps its size")
    layer = nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)
    if fan is not None:
        nn.init.kaiming_normal_(layer.weight, mode=fan, nonlinearity="relu")
    return layer


def last(features: int, width: int | None) -> nn.Module:
    """The linear layer from a net's features to its outputs; nothing where width is None.

    Raises:
        ValueError: if width is no whole number of at least 1.
    """
    return nn.Identity() if width is None else nn.Linear(features, whole("width", width, 1))


class Block(nn.Module):
    """Two 3x3 convolutions and a way around them; where the size changes, the way around is a convolution too."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1):
        super().__init__()
        self.conv1, self.norm1 = conv(inputs, outputs, stride=stride), nn.BatchNorm2d(outputs)
        self.conv2, self.norm2 = conv(outputs, outputs), nn.BatchNorm2d(outputs)
        same = inputs == outputs and stride == 1
        self.around = (
            nn.Identity() if same else nn.Sequential(conv(inputs, outputs, stride=stride), nn.BatchNorm2d(outputs))
        )

    def forward(self, x: Tensor) -> Tensor:
        inside = functional.relu(self.norm1(self.conv1(x)))
        return functional.relu(self.norm2(self.conv2(inside)) + self.around(x))


class ResNet(nn.Module):
    """A residual network for small images: three stages, each with half the size and twice the channels of the last.

    Args:
        depth: 6 n + 2 layers, with n blocks in each stage (20, 32, 44, ...).
        width: number of outputs; None for the features themselves.
        filters: channels of the first stage.
        channels: of the images.
        end: what comes after the last stage: "linear", a layer to `width` outputs; "none", so that outputs are the
            4 filters features; "norm", these after a batch normalisation, as in LPA's code for long tails.
    Raises:
        ValueError: if depth is not 6 n + 2 with n at least 1, or width is not 4 filters where no linear layer ends it.
    Source: He et al. 2016; the 3x3 convolutions around a block as in the public code of HPN, where others have 1x1.
    """

    def __init__(self, depth: int, width: int | None, *, filters: int = 16, channels: int = 3, end: str = "linear"):
        super().__init__()
        if end not in ("linear", "none", "norm"):
            raise ValueError(f'end must be "linear", "none" or "norm", got {end!r}')
        if end != "linear" and width not in (None, 4 * filters):
            raise ValueError(f'with end="{end}" a ResNet of {filters} filters has {4 * filters} outputs, not {width}')
        if whole("depth", depth, 1) < 8 or depth % 6 != 2:
            raise ValueError(f"a ResNet for small images has 6 n + 2 layers (8, 14, 20, 26, 32, ...), got {depth}")
        self.width = 4 * filters if width is None else width
        layers: list[nn.Module] = [conv(channels, filters), nn.BatchNorm2d(filters), nn.ReLU()]
        inputs = filters
        for outputs in (filters, 2 * filters, 4 * filters):
            for place in range(depth // 6):
                layers.append(Block(inputs, outputs, stride=2 if place == 0 and outputs > filters else 1))
                inputs = outputs
        self.stages = nn.Sequential(*layers)
        ends = {"linear": lambda: last(inputs, width), "none": nn.Identity, "norm": lambda: nn.BatchNorm1d(inputs)}
        self.last = ends[end]()

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.stages(x).mean(dim=(2, 3)))  # (B, 4 filters) -> (B, width)


def resnet20(width: int | None, **options) -> ResNet:
    """ResNet with 20 layers; options as in `ResNet`."""
    return ResNet(20, width, **options)


def resnet32(width: int | None, **options) -> ResNet:
    """ResNet with 32 layers, of HPN-T1, T3, F4, MHE-T5 and LPA; options as in `ResNet`."""
    return ResNet(32, width, **options)


class Growth(nn.Module):
    """A layer of a DenseNet: `growth` new channels, computed from all channels so far and put before them."""

    def __init__(self, inputs: int, growth: int):
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(inputs), conv(inputs, 4 * growth, size=1, fan=None)
        self.norm2, self.conv2 = nn.BatchNorm2d(4 * growth), conv(4 * growth, growth, fan=None)

    def forward(self, x: Tensor) -> Tensor:
        new = self.conv1(functional.relu(self.norm1(x)))
        return torch.cat([self.conv2(functional.relu(self.norm2(new))), x], dim=1)


class DenseNet(nn.Module):
    """A densely connected network for small images: every layer of a block sees all earlier ones.

    Args:
        blocks: layers in each block; between blocks, channels and size are halved.
        width: number of outputs; None for the features themselves.
        growth: channels that each layer adds.
        channels: of the images, 32x32 or 64x64.
    Source: Huang et al. 2017, with the 3x3 start for small images, as in the public code of HPN.
    """

    def __init__(self, blocks: tuple[int, ...], width: int | None, *, growth: int = 32, channels: int = 3):
        super().__init__()
        now = 2 * growth
        layers: list[nn.Module] = [conv(channels, now, fan=None)]
        for place, count in enumerate(blocks):
            if place:
                layers += [nn.BatchNorm2d(now), nn.ReLU(), conv(now, now // 2, size=1, fan=None), nn.AvgPool2d(2)]
                now //= 2
            for _ in range(count):
                layers.append(Growth(now, growth))
                now += growth
        self.width = now if width is None else width
        self.blocks = nn.Sequential(*layers, nn.BatchNorm2d(now), nn.ReLU())
        self.last = last(now, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.blocks(x).mean(dim=(2, 3)))


def densenet121(width: int | None, **options) -> DenseNet:
    """DenseNet-121, of HPN-T1 and T2; options as in `DenseNet`."""
    return DenseNet((6, 12, 24, 16), width, **options)


def cnn(depth: int, width: int | None = 256, *, filters: int = 64, channels: int = 3) -> nn.Sequential:
    """MHE's plain network for 32x32 images: three stages of 3x3 convolutions, each ended by 2x2 max pooling.

    Args:
        depth: number of convolutions, 6, 9 or 15 (any multiple of 3 works): two, three or five in each stage.
        width: of the linear layer at the end, which has neither bias nor nonlinearity; MHE's classifier, 256 wide,
            follows in the head. None for the features themselves.
        filters: channels of the first stage (64 in MHE-T1, 16 to 256 in MHE-T2); the others have twice and four times.
        channels: of the images.
    Raises:
        ValueError: if depth is not a positive multiple of 3.
    Source: Liu et al. 2018 (MHE-S1).
    """
    if whole("depth", depth, 1) < 3 or depth % 3:
        raise ValueError(f"the three stages have equally many convolutions, so depth is 6, 9 or 15, got {depth}")
    layers: list[nn.Module] = []
    inputs = channels
    for outputs in (filters, 2 * filters, 4 * filters):
        for _ in range(depth // 3):
            layers += [conv(inputs, outputs, fan="fan_in"), nn.BatchNorm2d(outputs), nn.ReLU()]
            inputs = outputs
        layers.append(nn.MaxPool2d(2))
    layers.append(nn.Flatten())  # (B, 4 filters, 4, 4) -> (B, 64 filters)
    if width is not None:
        layers.append(nn.Linear(64 * filters, whole("width", width, 1), bias=False))
        nn.init.kaiming_normal_(layers[-1].weight, nonlinearity="relu")
    return _sequential(64 * filters if width is None else width, *layers)


def digits(width: int, *, filters: int = 16) -> nn.Sequential:
    """A small convolutional net for the 8x8 digits of scikit-learn: an epoch takes a fraction of a second on one core.

    Args:
        width: number of outputs.
        filters: channels of the first convolution; the second has twice as many.
    """
    return _sequential(
        width,
        *(conv(1, filters), nn.BatchNorm2d(filters), nn.ReLU()),  # (B, filters, 8, 8)
        *(conv(filters, 2 * filters, stride=2), nn.BatchNorm2d(2 * filters), nn.ReLU()),  # (B, 2 filters, 4, 4)
        *(nn.Flatten(), nn.Linear(32 * filters, 64, bias=False), nn.BatchNorm1d(64), nn.ReLU(), last(64, width)),
    )


def mnist(width: int) -> nn.Sequential:
    """Two convolutions and two linear layers for 28x28 digits, the kind of net behind HPN-F6 (its sizes are ours).

    Args:
        width: number of outputs.
    """
    return _sequential(
        width,
        *(nn.Conv2d(1, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),  # (B, 16, 12, 12)
        *(nn.Conv2d(16, 32, 5), nn.ReLU(), nn.MaxPool2d(2)),  # (B, 32, 4, 4)
        *(nn.Flatten(), nn.Linear(512, 128), nn.ReLU(), last(128, width)),
    )


def mnist6(width: int, *, filters: int = 8) -> nn.Sequential:
    """Six 3x3 convolutions and a linear layer for 28x28 digits, the kind of net behind MHE-F4 (its sizes are ours).

    Args:
        width: number of outputs.
        filters: channels of the first two convolutions; the next two have twice, the last two four times as many. The
            first of each pair halves the image.
    """
    layers: list[nn.Module] = []
    inputs = 1
    for outputs in (filters, 2 * filters, 4 * filters):
        for stride in (2, 1):
            layers += [conv(inputs, outputs, stride=stride), nn.BatchNorm2d(outputs), nn.ReLU()]
            inputs = outputs
    return _sequential(width, *layers, nn.Flatten(), last(4 * 4 * inputs, width))  # (B, 4 filters, 4, 4)


def mlp(width: int, *, inputs: int = 64, hidden: tuple[int, ...] = (64,)) -> nn.Sequential:
    """Linear layers with ReLU between them; images are laid out as vectors first.

    Args:
        width: number of outputs.
        inputs: numbers in one image, C H W.
        hidden: widths of the layers between.
    """
    layers: list[nn.Module] = [nn.Flatten()]
    for outputs in hidden:
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        inputs = outputs
    return _sequential(width, *layers, last(inputs, width))


def _sequential(width: int, *layers: nn.Module) -> nn.Sequential:
    net = nn.Sequential(*layers)
    net.width = whole("width", width, 1)
    return net


def seeded(seed: int, make: Callable[..., nn.Module], *args, **options) -> nn.Module:
    """make(*args, **options) with the random start that belongs to the seed; random numbers elsewhere stay untouched.

    Args:
        seed: same seed, same weights.
        make: a function or class that makes a module, such as `resnet32`.
        args, options: passed on to it.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make(*args, **options)


def parameters(net: nn.Module) -> int:
    """How many numbers the net learns."""
    return sum(p.numel() for p in net.parameters() if p.requires_grad)


def cnn6(width: int | None = 256, **options) -> nn.Sequential:
    """MHE's CNN-6; options as in `cnn`."""
    return cnn(6, width, **options)


def cnn9(width: int | None = 256, **options) -> nn.Sequential:
    """MHE's CNN-9; options as in `cnn`."""
    return cnn(9, width, **options)


def cnn15(width: int | None = 256, **options) -> nn.Sequential:
    """MHE's CNN-15; options as in `cnn`."""
    return cnn(15, width, **options)


def resnet18(width: int | None) -> nn.Module:
    """ResNet-18 for large images, of MHE-T6: torchvision's, in which a stride and a pooling quarter the image first.

    Args:
        width: number of outputs; None for the 512 features themselves.
    Source: He et al. 2016.
    """
    return _torchvision("resnet18", width)


def resnet34(width: int | None) -> nn.Module:
    """ResNet-34 for large images, of MHE-T6; as `resnet18`."""
    return _torchvision("resnet34", width)


def resnet50(width: int | None) -> nn.Module:
    """ResNet-50 for large images, of LPA on ImageNet-1K; as `resnet18`, with 2,048 features."""
    return _torchvision("resnet50", width)


def resnet101(width: int | None) -> nn.Module:
    """ResNet-101; as `resnet50`."""
    return _torchvision("resnet101", width)


def swin_t(width: int | None) -> nn.Module:
    """Swin-T, a transformer of shifted windows, of LPA on ImageNet-1K; torchvision's, with 768 features.

    Source: Liu et al. 2021.
    """
    return _torchvision("swin_t", width)


def _torchvision(name: str, width: int | None) -> nn.Module:
    try:
        from torchvision import models
    except ImportError as error:
        raise ImportError(f"{name} is torchvision's: pip install torchvision") from error
    net = getattr(models, name)(num_classes=1 if width is None else whole("width", width, 1))
    last = "head" if hasattr(net, "head") else "fc"  # its linear layer
    net.width = getattr(net, last).in_features if width is None else width
    if width is None:
        setattr(net, last, nn.Identity())
    return net


def resnet(width: int | None, depth: int, **options) -> ResNet:
    """ResNet of any depth; options as in `ResNet`."""
    return ResNet(depth, width, **options)


NETS = {f.__name__: f for f in (resnet, resnet20, resnet32, densenet121, cnn6, cnn9, cnn15, digits, mnist, mlp,
                                  mnist6, resnet18, resnet34, resnet50, resnet101, swin_t)}  # fmt: skip
