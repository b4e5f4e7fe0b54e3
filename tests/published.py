"""Networks as others publish them: plain modules with torchvision's names, made by no code of the package."""

import torch
import torch.nn.functional as F
from torch import nn

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def normalised(picture):
    return torch.stack([(picture[:, i] - MEAN[i]) / DEVIATION[i] for i in range(3)], 1)


def with_random_norms(network):
    """In evaluation, its batch norms with statistics and weights of no special form."""
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.3)
            part.running_var.uniform_(0.4, 2)
            nn.init.uniform_(part.weight, 0.3, 1.5)
            nn.init.normal_(part.bias, 0, 0.3)
    return network.eval().requires_grad_(False)


class Basic(nn.Module):
    def __init__(self, given, base, stride, width, groups):
        super().__init__()
        self.conv1 = nn.Conv2d(given, base, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(base)
        self.conv2 = nn.Conv2d(base, base, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(base)
        self.out = base
        self.downsample = shortcut(given, self.out, stride)

    def forward(self, x):
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        return (y + self.downsample(x)).relu()


class Bottleneck(nn.Module):
    def __init__(self, given, base, stride, width, groups):
        super().__init__()
        inner, self.out = int(base * width), 4 * base
        self.conv1 = nn.Conv2d(given, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, 1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, self.out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(self.out)
        self.downsample = shortcut(given, self.out, stride)

    def forward(self, x):
        y = self.bn1(self.conv1(x)).relu()
        y = self.bn2(self.conv2(y)).relu()
        return (self.bn3(self.conv3(y)) + self.downsample(x)).relu()


def shortcut(given, out, stride):
    if stride == 1 and given == out:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(given, out, 1, stride, bias=False), nn.BatchNorm2d(out))


class ResNet(nn.Module):
    def __init__(self, block, counts, *, base=8, width=1, groups=1):
        super().__init__()
        self.conv1 = nn.Conv2d(3, base, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(base)
        channels = base
        for stage, count in enumerate(counts):
            blocks = []
            for number in range(count):
                stride = 2 if stage and not number else 1
                blocks.append(block(channels, base * 2**stage, stride, width, groups))
                channels = blocks[-1].out
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(channels, 10)

    def features(self, picture):
        x = self.bn1(self.conv1(normalised(picture))).relu()
        found = {"relu1": x}
        x = F.max_pool2d(x, 3, 2, 1)
        for stage in (1, 2, 3, 4):
            x = found[f"layer{stage}"] = self.get_submodule(f"layer{stage}")(x)
        return found


RESNETS = {
    "resnet18": lambda **sizes: ResNet(Basic, (2, 2, 2, 2), **sizes),
    "resnet34": lambda **sizes: ResNet(Basic, (3, 4, 6, 3), **sizes),
    "resnet50": lambda **sizes: ResNet(Bottleneck, (3, 4, 6, 3), **sizes),
    "resnet152": lambda **sizes: ResNet(Bottleneck, (3, 8, 36, 3), **sizes),
    "wide_resnet50_2": lambda **sizes: ResNet(Bottleneck, (3, 4, 6, 3), width=2, **sizes),
    "resnext50_32x4d": lambda **sizes: ResNet(Bottleneck, (3, 4, 6, 3), width=2, groups=4, **sizes),
}
"""Narrow unless told otherwise: `base` is 64 and ResNeXt's groups are 32 in the published ones."""
