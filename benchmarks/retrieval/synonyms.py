"""Queries in words that no training caption uses: how much recall is kept.

Of every test caption one noun is replaced by a synonym that occurs in no caption of the pictures
that the model was trained with. The list is made by hand; which synonyms are absent is looked up.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np

from benchmarks.retrieval.pictures import Flickr8k
from benchmarks.retrieval.tables import interval, ratio_interval
from vidseek.encoders.training.measures import ranks
from vidseek.encoders.training.pictures import read_rows, row_captions

TRAINED_SETS = ("flickr8k", "msrvtt", "sports100", "caltech101", "misc")
PAIRS = """
dog: hound pooch mutt canine doggie
puppy: pup whelp
man: gentleman bloke chap fellow dude
woman: lady dame female gal
boy: lad schoolboy laddie
girl: lass schoolgirl lassie
child: youngster tot kiddie juvenile
kid: youngster tot juvenile
toddler: tot infant bairn
baby: infant newborn
person: individual human somebody
couple: duo twosome
friend: pal mate buddy comrade
crowd: throng multitude mob
beach: seashore seaside shoreline strand
ocean: sea
grass: turf lawn meadow
field: pasture meadow
ball: sphere orb
street: avenue boulevard roadway
road: highway roadway motorway
mountain: peak summit alp
hill: hillside knoll slope mound
cliff: precipice bluff crag
rock: boulder crag stone
river: stream brook creek
lake: lagoon reservoir loch
forest: woodland grove jungle
wood: woodland timber
path: trail footpath track
sidewalk: pavement walkway footway
bicycle: pushbike cycle velocipede
bike: pushbike bicycle cycle
bicyclist: cyclist
motorcycle: motorbike chopper
car: automobile sedan auto
truck: lorry pickup
bus: coach omnibus
boat: vessel dinghy
airplane: aircraft jet
horse: steed stallion mare
cat: feline kitty tomcat
bird: fowl
shirt: tee blouse
hat: bonnet headgear
jacket: coat anorak parka
coat: overcoat parka
dress: gown frock
jeans: denims
glasses: spectacles eyeglasses
sunglasses: shades
pool: lido
house: cottage dwelling residence
building: edifice structure
stairs: staircase stairway
fence: railing palisade barrier
stick: twig rod
toy: plaything
trick: stunt
race: contest competition
player: athlete sportsman
skateboarder: skater
swimmer: bather
biker: motorcyclist cyclist
climber: mountaineer alpinist
photograph: snapshot
picture: snapshot photo
umbrella: parasol
couch: settee sofa
rope: cord
mud: sludge mire
leaf: foliage
tent: marquee
food: meal grub
soccer: futbol
costume: outfit disguise
ramp: incline
store: shop
"""
IRREGULAR = {
    "man": "men",
    "gentleman": "gentlemen",
    "woman": "women",
    "sportsman": "sportsmen",
    "child": "children",
    "person": "people",
    "somebody": "individuals",
    "leaf": "leaves",
    "mouse": "mice",
}
SAME_IN_PLURAL = {
    "jeans",
    "glasses",
    "sunglasses",
    "stairs",
    "foliage",
    "water",
    "snow",
    "aircraft",
}


def plural(noun: str) -> str:
    """The plural of a noun of the list."""
    if noun in SAME_IN_PLURAL:
        return noun
    if noun in IRREGULAR:
        return IRREGULAR[noun]
    if re.search(r"[^aeiou]y$", noun):
        return noun[:-1] + "ies"
    return noun + ("es" if re.search(r"(s|x|ch|sh)$", noun) else "s")


def absent_synonyms(seen: set[str]) -> dict[str, list[str]]:
    """Noun, singular and plural -> its synonyms in the same number that are not among the words."""
    absent: dict[str, list[str]] = {}
    for line in PAIRS.strip().splitlines():
        noun, _, others = line.partition(":")
        for form in (lambda word: word, plural):
            free = [form(other) for other in others.split() if not {other, plural(other)} & seen]
            if free and form(noun) not in absent:
                absent[form(noun)] = free
    return absent


def synonyms(flickr: Flickr8k, data: Path) -> None:
    """Recall at 10 of captions and of the same with one noun replaced."""
    seen = {
        word
        for name in TRAINED_SETS
        for row in read_rows(data, name)
        if row.split == "train"
        for caption in row_captions(row)
        for word in re.findall(r"[a-z]+", caption.lower())
    }
    absent = absent_synonyms(seen)
    replaced, places, used = [], [], Counter[str]()
    for place, caption in enumerate(flickr.captions):
        words = re.findall(r"[a-z]+", caption.lower())
        noun = next((word for word in words if word in absent), None)
        if noun is None:
            continue
        other = absent[noun][place % len(absent[noun])]
        replaced.append(re.sub(rf"\b{noun}\b", other, caption, count=1, flags=re.IGNORECASE))
        places.append(place)
        used[f"{noun} -> {other}"] += 1
    truth = flickr.truth[places]
    scores = flickr.encoder.encode_text(replaced) @ flickr.pictures.features.vectors.T
    before = (ranks(flickr.scores[places], truth) < 10).astype(np.float64)
    after = (ranks(scores, truth) < 10).astype(np.float64)
    print(f"\n| synonyms, {len(replaced)} queries, {len(used)} pairs | per cent (95 % interval) |")
    print("| --- | --- |")
    print(f"| R@10 of the captions | {interval(before)} |")
    print(f"| R@10, one noun replaced by a word that no training caption has | {interval(after)} |")
    print(f"| kept | {ratio_interval(after, before)} |")
    print("\nMost frequent:", ", ".join(f"{pair} {count}" for pair, count in used.most_common(20)))
