"""Papers from which more than one method comes, by first author and year."""

from methods.paper import Paper

ENGLESSON_2021 = Paper(
    title="Generalized Jensen-Shannon divergence loss for learning with noisy labels",
    authors="Erik Englesson and Hossein Azizpour",
    venue="NeurIPS",
    year=2021,
    url="https://arxiv.org/abs/2105.04522",
)

LIU_2020 = Paper(
    title="Early-learning regularization prevents memorization of noisy labels",
    authors="Sheng Liu and Jonathan Niles-Weed and Narges Razavian and Carlos Fernandez-Granda",
    venue="NeurIPS",
    year=2020,
    url="https://arxiv.org/abs/2007.00151",
)

MA_2020 = Paper(
    title="Normalized loss functions for deep learning with noisy labels",
    authors=(
        "Xingjun Ma and Hanxun Huang and Yisen Wang and Simone Romano and Sarah Erfani and James "
        "Bailey"
    ),
    venue="ICML",
    year=2020,
    url="https://arxiv.org/abs/2006.13554",
)

PATRINI_2017 = Paper(
    title="Making deep neural networks robust to label noise: a loss correction approach",
    authors=(
        "Giorgio Patrini and Alessandro Rozza and Aditya Krishna Menon and Richard Nock and "
        "Lizhen Qu"
    ),
    venue="CVPR",
    year=2017,
    url="https://arxiv.org/abs/1609.03683",
)

REED_2015 = Paper(
    title="Training deep neural networks on noisy labels with bootstrapping",
    authors=(
        "Scott Reed and Honglak Lee and Dragomir Anguelov and Christian Szegedy and Dumitru Erhan "
        "and Andrew Rabinovich"
    ),
    venue="ICLR workshop",
    year=2015,
    url="https://arxiv.org/abs/1412.6596",
)

YE_2023 = Paper(
    title="Active negative loss functions for learning with noisy labels",
    authors="Xichen Ye and Xiaoqiang Li and Songmin Dai and Tong Liu and Yan Sun and Weiqin Tong",
    venue="NeurIPS",
    year=2023,
    url="https://mlanthology.org/neurips/2023/ye2023neurips-active",
)

ZHANG_2018 = Paper(
    title="Generalized cross entropy loss for training deep neural networks with noisy labels",
    authors="Zhilu Zhang and Mert R. Sabuncu",
    venue="NeurIPS",
    year=2018,
    url="https://arxiv.org/abs/1805.07836",
)

ZHOU_2021 = Paper(
    title="Asymmetric loss functions for learning with noisy labels",
    authors="Xiong Zhou and Xianming Liu and Junjun Jiang and Xin Gao and Xiangyang Ji",
    venue="ICML",
    year=2021,
    url="https://arxiv.org/abs/2106.03110",
)
