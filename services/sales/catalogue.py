"""What the generated sales are about: stores, people and goods of a chain of shops that does not exist."""

from __future__ import annotations

from typing import Final, NamedTuple


class Product(NamedTuple):
    """`weight` is how often it is bought beside the others, `most` how many of it at once."""

    name: str
    category: str
    price_cents: int
    weight: int = 4
    most: int = 3


STORES: Final = {
    "Belo Horizonte, Savassi": 5,
    "Brasília, Asa Sul": 4,
    "Curitiba, Batel": 4,
    "Florianópolis, Centro": 3,
    "Fortaleza, Aldeota": 4,
    "Porto Alegre, Moinhos": 3,
    "Recife, Boa Viagem": 5,
    "Rio de Janeiro, Tijuca": 7,
    "Salvador, Pituba": 5,
    "São Paulo, Pinheiros": 10,
}
"""Each with how many of the sales are its own, beside the others."""

SELLERS_A_STORE: Final = 6
GIVEN_NAMES: Final = (
    "Ana", "Antônio", "Beatriz", "Bruno", "Camila", "Carla", "César", "Débora", "Eduardo", "Fátima", "Felipe",
    "Flávia", "Gabriel", "Helena", "Inês", "João", "José", "Júlia", "Larissa", "Lúcia", "Luís", "Marina", "Mário",
    "Natália", "Otávio", "Patrícia", "Rafael", "Rui", "Sônia", "Tomás", "Úrsula", "Vitória", "Zoé",
)  # fmt: skip
FAMILY_NAMES: Final = (
    "Almeida", "Araújo", "Assunção", "Barbosa", "Brandão", "Cardoso", "Conceição", "Costa", "Falcão", "Ferreira",
    "Gonçalves", "Guimarães", "Leão", "Lima", "Magalhães", "Melo", "Moraes", "Nóbrega", "Oliveira", "Peçanha",
    "Queirós", "Ribeiro", "Rocha", "Santos", "Simões", "Souza", "Teixeira", "Vasconcelos",
)  # fmt: skip

PAYMENTS: Final = {"pix": 46, "credit": 30, "debit": 16, "cash": 8}
"""Each with its share of a hundred sales."""

PRODUCTS: Final = (
    Product("Café torrado 500 g", "Mercearia", 2190, 12),
    Product("Arroz agulhinha 5 kg", "Mercearia", 2890, 8, 2),
    Product("Feijão carioca 1 kg", "Mercearia", 849, 9, 4),
    Product("Açúcar demerara 1 kg", "Mercearia", 679, 5),
    Product("Azeite extravirgem 500 ml", "Mercearia", 4290, 4, 2),
    Product("Pão de queijo 1 kg", "Padaria", 2650, 9, 2),
    Product("Pão francês 500 g", "Padaria", 999, 12, 2),
    Product("Bolo de fubá", "Padaria", 1890, 4, 1),
    Product("Guaraná 2 L", "Bebidas", 899, 8, 6),
    Product("Água de coco 1 L", "Bebidas", 1190, 6, 4),
    Product("Suco de maracujá 1 L", "Bebidas", 1090, 5, 3),
    Product("Cerveja puro malte 350 ml", "Bebidas", 449, 7, 12),
    Product("Queijo minas 400 g", "Frios", 2290, 6, 2),
    Product("Requeijão 200 g", "Frios", 899, 5, 2),
    Product("Iogurte natural 170 g", "Frios", 389, 6, 6),
    Product("Banana-prata 1 kg", "Hortifrúti", 699, 9, 2),
    Product("Maçã gala 1 kg", "Hortifrúti", 1149, 6, 2),
    Product("Abacaxi pérola", "Hortifrúti", 849, 4, 2),
    Product("Castanha-do-pará 200 g", "Hortifrúti", 3190, 2, 2),
    Product("Sabão em pó 1,6 kg", "Limpeza", 2199, 4, 2),
    Product("Detergente 500 ml", "Limpeza", 289, 6, 6),
    Product("Papel higiênico 12 rolos", "Limpeza", 2349, 5, 2),
    Product("Xampu 400 ml", "Higiene", 2490, 3, 2),
    Product("Sabonete de andiroba", "Higiene", 749, 4, 4),
    Product("Fone de ouvido sem fio", "Eletrônicos", 18990, 1, 1),
    Product("Carregador USB-C 20 W", "Eletrônicos", 8990, 1, 2),
    Product("Rede de dormir", "Casa", 15990, 1, 1),
    Product("Panela de barro", "Casa", 11990, 1, 1),
)
