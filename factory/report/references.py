"""The papers behind the methods, data and scores of a dataset."""

from collections.abc import Iterable, Sequence

from factory.families.registry import family_of
from factory.report.provenance import Model
from factory.storage.json_value import JsonObject
from factory.subjects.registry import SOURCES, subject_sections

PAPERS = {
    "fernandez": "Fernandez Garcia M., Gonzalez Laiz R., Ji H., Payette K., Jakab A. Synthesis of "
    "realistic fetal MRI with conditional generative adversarial networks. arXiv:2209.09696, 2022.",
    "spade": "Park T., Liu M.-Y., Wang T.-C., Zhu J.-Y. Semantic image synthesis with "
    "spatially-adaptive normalization. CVPR 2019.",
    "ayaz": "Ayaz A., Jong R., Abbasi-Sureshjani S., et al. 3D brain MRI synthesis utilizing "
    "2D SPADE-GAN and 3D CNN architecture. ISMRM.",
    "stylegan2": "Karras T., Laine S., Aittala M., et al. Analyzing and improving the image "
    "quality of StyleGAN. CVPR 2020.",
    "ada": "Karras T., Aittala M., Hellsten J., et al. Training generative adversarial networks "
    "with limited data. NeurIPS 2020.",
    "goncalves": "Gonçalves B., Vieira P., Vieira A. Abdominal MRI synthesis using StyleGAN2-ADA.",
    "arsigny": "Arsigny V., Commowick O., Pennec X., Ayache N. A log-Euclidean framework for "
    "statistics on diffeomorphisms. MICCAI 2006.",
    "luthi": "Lüthi M., Gerig T., Jud C., Vetter T. Gaussian process morphable models. IEEE "
    "Transactions on Pattern Analysis and Machine Intelligence, 2018.",
    "amirrajab": "Amirrajab S., Lorenz C., Weese J., Pluim J., Breeuwer M. Intra- and "
    "intersubject synthesis of cardiac MR images using a VAE and GAN. ISMRM.",
    "vae": "Kingma D. P., Welling M. Auto-encoding variational Bayes. ICLR 2014.",
    "jiao": "Jiao J., Namburete A. I. L., Papageorghiou A. T., Noble J. A. Anatomy-aware "
    "self-supervised fetal MRI synthesis from unpaired ultrasound images. MLMI 2019.",
    "fidon": "Fidon L., Viola E., Mufti N., et al. A spatio-temporal atlas of the developing fetal "
    "brain with spina bifida aperta. Open Research Europe 2021.",
    "mnms": "Campello V. M., Gkontra P., Izquierdo C., et al. Multi-centre, multi-vendor and "
    "multi-disease cardiac segmentation: the M&Ms challenge. IEEE TMI 2021.",
    "hc18": "van den Heuvel T. L. A., de Bruijn D., de Korte C. L., van Ginneken B. Automated "
    "measurement of fetal head circumference using 2D ultrasound images. PLoS ONE 2018.",
    "unet": "Ronneberger O., Fischer P., Brox T. U-Net: convolutional networks for biomedical "
    "image segmentation. MICCAI 2015.",
    "ssim": "Wang Z., Bovik A. C., Sheikh H. R., Simoncelli E. P. Image quality assessment: from "
    "error visibility to structural similarity. IEEE TIP 2004.",
    "fid": "Heusel M., Ramsauer H., Unterthiner T., et al. GANs trained by a two time-scale update "
    "rule converge to a local Nash equilibrium. NeurIPS 2017.",
    "kid": "Bińkowski M., Sutherland D. J., Arbel M., Gretton A. Demystifying MMD GANs. ICLR 2018.",
    "recall": "Kynkäänniemi T., Karras T., Laine S., et al. Improved precision and recall metric "
    "for assessing generative models. NeurIPS 2019.",
    "coverage": "Naeem M. F., Oh S. J., Uh Y., et al. Reliable fidelity and diversity metrics for "
    "generative models. ICML 2020.",
    "hayes": "Hayes J., Melis L., Danezis G., De Cristofaro E. LOGAN: membership inference attacks "
    "against generative models. PoPETs 2019.",
}


def list_references(
    recipe: JsonObject, models: Sequence[Model], papers: Iterable[str]
) -> list[str]:
    """List the papers to cite for a dataset.

    First come the methods of its recipe and the data that its models learnt from, then the scores.

    Args:
        recipe: The resolved recipe.
        models: The models of the recipe.
        papers: Keys of PAPERS for the scores of the dataset.
    """
    keys = [key for model in models for key in family_of(model.card).references]
    subjects = [name for name, _ in subject_sections(recipe)]
    is_fetal = all(SOURCES[name].kind == "brains" for name in subjects if name in SOURCES)
    if "spade" in keys and is_fetal:
        keys.insert(0, "fernandez")
    for model in models:
        training = (model.card.get("training", {}).get("recipe") or {}).get("subjects") or {}
        if training.get("mapping") == "spina-bifida-atlas":
            keys.append("fidon")
        keys += ["mnms"] if "M&Ms" in model.licence else []
        keys += ["hc18"] if "HC18" in model.licence else []
    return [PAPERS.get(key, key) for key in dict.fromkeys([*keys, *papers])]
